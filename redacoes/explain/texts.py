"""The words of an explanation in Portuguese and English, side by side; the terminal uses English."""

from functools import partial

from redacoes import languages

TEXTS: dict[str, tuple[str, str]] = {
    "title": ("Por que {score}? {name}", "Why {score}? {name}"),
    "headline": (
        "nota {predicted}, provavelmente de {low} a {high} (90 %); nota esperada {expected}; {tokens} tokens, {seen}",
        "score {predicted}, probably {low} to {high} (90 %); expected score {expected}; {tokens} tokens, {seen}",
    ),
    "seen_all": ("todos lidos pelo modelo", "all of which the model saw"),
    "seen_most": ("dos quais o modelo leu {most}", "of which the model saw {most}"),
    "meaning": (
        "Cada número é um efeito sobre a estimativa deste modelo, em pontos da nota. Não é o motivo de um corretor, e "
        "não diz o que faria uma redação melhor.",
        "Each number is an effect on this model's estimate, in points of score. It is not a grader's reason, and says "
        "nothing of what a better essay would be.",
    ),
    "model": ("Modelo: {model}.", "Model: {model}."),
    "sure": ("Quanta certeza há", "How sure it is"),
    "chances": (
        "A probabilidade de cada nota; a barra de cor cheia é a nota decidida",
        "The probability of each score; the bar of full colour is the score that was decided",
    ),
    "solid": ("linha contínua, +", "solid line, +"),
    "adds": (" acrescenta à nota esperada; ", " adds to the expected score; "),
    "dashed": ("linha tracejada, −", "dashed line, −"),
    "takes": (
        " tira dela; quanto mais forte a cor, maior o efeito.",
        " takes from it; the stronger the tint, the more.",
    ),
    "by_sentence": ("Por frase", "By sentence"),
    "sentence_hint": (
        "O número depois de uma frase é a nota esperada da redação menos a da redação sem a frase.",
        "The number after a sentence is the expected score of the essay, less that of the essay without the sentence.",
    ),
    "sentence_cut": (
        " Uma frase que foi cortada o codificador não vê: sob a regra ordinal, só contam as palavras e o estilo dela; "
        "sob outra, nada. Tirar outra frase traz de volta palavras que tinham sido cortadas.",
        " The encoder does not see one that was cut off: under the rule ordinal its words and style count alone, under "
        "another nothing of it. Taking another out brings in words that had been cut off.",
    ),
    "sentence_table": ("As {count} frases em uma tabela", "The {count} sentences as a table"),
    "number": ("nº", "no."),
    "effect": ("efeito", "effect"),
    "sentence": ("frase", "sentence"),
    "by_word": ("Por palavra", "By word"),
    "ends": (
        "O que cada palavra acrescenta{whose} de {baseline}, de um texto vazio do mesmo tamanho, até {expected} "
        "({missed})",
        "What each word adds{whose} from {baseline} for as much padding, which has the essay's length alone, to "
        "{expected} ({missed})",
    ),
    "whose_encoder": (
        " à nota esperada do próprio codificador, uma parte do que a regra ordinal pesa,",
        " to the encoder's own expected score, part of what ordinal weighs,",
    ),
    "whose_all": (",", ","),
    "missed": (
        "a soma erra a diferença por {gap}, com {steps} gradientes",
        "their sum misses the difference by {gap}, with {steps} gradients",
    ),
    "missed_much": (
        ", o que é mais que {tolerance}: leia-as com cautela",
        ", which is more than {tolerance}: take them with caution",
    ),
    "point": (
        " Aponte para uma palavra para ver o seu número.",
        " Point at a word to see its number.",
    ),
    "unseen": (
        " As palavras em cinza e itálico foram cortadas, e não lidas.",
        " Words in grey italics were cut off, and not seen.",
    ),
    "not_seen": ("não lida", "not seen"),
    "word_table": ("As {count} palavras em uma tabela", "The {count} words as a table"),
    "word": ("palavra", "word"),
    "neighbours": (
        "As redações de treino que o modelo acha mais parecidas com esta",
        "The training essays that the model finds most like this one",
    ),
    "far": (
        "Ela está longe de todas: menos parecida com elas do que 99 % delas entre si.",
        "It is far from all of them: less like them than 99 % of them are.",
    ),
    "true_score": ("nota verdadeira", "true score"),
    "similarity": ("semelhança", "similarity"),
    "line": ("linha", "line"),
    "essay": ("redação", "essay"),
}


say = partial(languages.say, TEXTS)
