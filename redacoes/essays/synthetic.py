"""Synthetic essays in Portuguese, so that a fresh clone can train without a network.

An imaginary student with five skills (the competences of the ENEM exam) writes each essay. The score is computed from
the text, so that it can be learnt, plus a grader's noise. The essays only show that the workflow works: no figure from
them says anything about real essays.
"""

import unicodedata
from collections.abc import Iterator
from hashlib import blake2b
from random import Random

THEMES = (
    ("a evasão escolar", "os estudantes", "o Ministério da Educação", "as escolas"),
    ("o descarte de lixo nas cidades", "os moradores", "o Ministério do Meio Ambiente", "as prefeituras"),
    ("a solidão dos idosos", "os idosos", "o Ministério da Saúde", "as famílias"),
    ("o trânsito nas metrópoles", "os trabalhadores", "o Ministério das Cidades", "as empresas"),
    ("a desinformação na internet", "os usuários", "o Congresso Nacional", "as plataformas"),
    ("o desperdício de água", "os consumidores", "a Agência Nacional de Águas", "as indústrias"),
    ("a insegurança alimentar", "as crianças", "o Ministério da Agricultura", "os municípios"),
    ("o trabalho informal", "os jovens", "o Ministério do Trabalho", "os sindicatos"),
    ("a violência no esporte", "os torcedores", "o Ministério do Esporte", "os clubes"),
    ("o acesso à leitura", "os leitores", "o Ministério da Cultura", "as bibliotecas"),
    ("a saúde mental dos adolescentes", "os adolescentes", "a Secretaria de Saúde", "os professores"),
    ("o desmatamento das florestas", "os povos indígenas", "o Governo Federal", "os produtores"),
)
CONNECTIVES = (
    "além disso", "nesse sentido", "dessa forma", "por conseguinte", "outrossim", "em contrapartida", "ademais",
    "sob essa ótica", "diante disso", "com efeito", "em primeiro lugar", "em segundo lugar", "todavia", "portanto",
)  # fmt: skip
# The parts of a sentence, plain (False) and refined (True). Verbs are of the first conjugation and plural, so that the
# singular is the same word without its m.
SUBJECTS = {
    False: ("as pessoas", "os governos", "as cidades", "os bairros", "os problemas", "as notícias", "os amigos",
            "as coisas", "os pais", "os políticos", "os vizinhos", "as lojas", "os ricos", "os pobres", "as conversas",
            "as ruas"),
    True: ("os indivíduos", "as instituições", "as desigualdades históricas", "os agentes públicos",
           "as políticas vigentes", "os setores vulneráveis", "as parcelas marginalizadas", "os mecanismos legais",
           "as estruturas sociais", "os paradigmas culturais", "as lacunas legislativas", "os discursos hegemônicos",
           "as práticas cotidianas", "os interesses privados", "as gestões negligentes", "os preconceitos enraizados"),
}  # fmt: skip
ADVERBS = {
    False: ("sempre", "nunca", "às vezes", "muitas vezes", "quase sempre", "agora", "ainda", "só"),
    True: ("frequentemente", "sobretudo", "inevitavelmente", "paulatinamente", "historicamente", "notadamente",
           "sistematicamente", "não raro"),
}  # fmt: skip
VERBS = {
    False: ("complicam", "pioram", "mudam", "aumentam", "ajudam", "mostram", "atrapalham", "estragam", "melhoram",
            "levam", "prejudicam", "afetam"),
    True: ("intensificam", "perpetuam", "negligenciam", "evidenciam", "corroboram", "agravam", "fragilizam",
           "legitimam", "consolidam", "dificultam", "potencializam", "naturalizam"),
}  # fmt: skip
OBJECTS = {
    False: ("a vida de todos", "muita coisa ruim", "o dia a dia", "a situação do país", "tudo isso",
            "o futuro da gente", "a rua e a casa", "os nossos direitos", "o trabalho das pessoas", "a escola e a saúde",
            "o lugar onde a gente mora", "a cabeça dos jovens", "as famílias do bairro", "o dinheiro de todos"),
    True: ("a construção da cidadania", "a dignidade humana", "o bem-estar coletivo", "a coesão do tecido social",
           "as garantias constitucionais", "a efetivação dos direitos", "o desenvolvimento sustentável",
           "as condições de exclusão", "a isonomia entre os cidadãos", "o pleno exercício da democracia",
           "a mobilidade social", "a formação do pensamento crítico", "os ciclos de vulnerabilidade",
           "a legitimidade das normas"),
}  # fmt: skip
TAILS = {
    False: ("todo dia", "no Brasil de hoje", "porque ninguém liga", "e isso é ruim", "há muito tempo", "sem parar",
            "em muitos lugares", "e não é certo", "quando aparece {}", "porque existe {}", "e ninguém vê {}",
            "desde que começou {}"),
    True: ("em detrimento das minorias", "à luz da Constituição de 1988", "na contemporaneidade",
           "de maneira estrutural", "em consonância com a lógica do mercado", "conforme apontam especialistas",
           "sob a omissão do Estado", "no cenário hodierno", "enquanto persiste {}", "uma vez que se ignora {}",
           "haja vista {}", "à medida que avança {}"),
}  # fmt: skip
ACTIONS = (
    "criar campanhas", "ampliar investimentos", "oferecer cursos", "fiscalizar as normas", "promover debates",
    "rever os currículos", "contratar profissionais", "divulgar canais de denúncia",
)  # fmt: skip
MEANS = (
    "por meio de verbas públicas", "por meio de parcerias locais", "por meio de leis específicas", "por meio da mídia",
    "por meio de mutirões", "por meio de editais anuais",
)  # fmt: skip
AIMS = (
    "a fim de reduzir o problema", "a fim de garantir direitos", "a fim de formar cidadãos", "a fim de mudar hábitos",
    "a fim de proteger os mais frágeis", "a fim de cumprir a lei",
)  # fmt: skip
MISSPELLINGS = {"ç": "ss", "ão": "aum", "x": "ch", "z": "s", "qu": "k", "lh": "li"}


def essays(rows: int, seed: int) -> Iterator[dict[str, str | int]]:
    """Yield rows with `essay`, `score` (0 to 10) and `theme`. No essay and few sentences repeat.

    Only integer draws of the standard library's generator and additions are used, so the text is the same on every
    machine.
    """
    random = Random(seed)
    seen: set[bytes] = set()
    while len(seen) < rows:
        theme = random.choice(THEMES)
        skill = random.triangular(-0.15, 1.15, 0.5)
        skills = [min(1.0, max(0.0, skill + random.uniform(-0.2, 0.2))) for _ in range(5)]
        text, score = _write(random, theme, skills)
        digest = blake2b(text.encode(), digest_size=16).digest()
        if digest not in seen:
            seen.add(digest)
            yield {"essay": text, "score": score, "theme": theme[0]}


def _write(random: Random, theme: tuple[str, str, str, str], skills: list[float]) -> tuple[str, int]:
    """Return an essay of one paragraph or more, and its score."""
    language, structure, argument, cohesion, proposal = skills
    connectives: set[str] = set()
    refined = clauses = 0
    paragraphs = []
    for number in range(1 + round(structure * 3)):
        sentences = []
        for _ in range(1 + round(structure * 1.5 + random.random() * 0.8)):
            high = random.random() < argument
            refined, clauses = refined + high, clauses + 1
            sentence = _sentence(random, theme, high, number == 0)
            if random.random() < cohesion * 0.9:
                connective = random.choice(CONNECTIVES)
                connectives.add(connective)
                sentence = f"{connective}, {sentence}"
            sentences.append(sentence)
        paragraphs.append(sentences)
    elements = round(proposal * 4)
    if elements:
        paragraphs.append([_proposal(random, theme, elements)])
    slips = words = 0
    lines = []
    for sentences in paragraphs:
        finished = []
        for sentence in sentences:
            slipped, made = _slip(random, sentence, (1 - language) * 0.3)
            slips, words = slips + made, words + len(slipped.split())
            finished.append(slipped[0].upper() + slipped[1:] + ".")
        lines.append(" ".join(finished))
    points = (
        max(0.0, 2 - 10 * slips / words),
        min(2.0, 2 * words / 130),
        2 * refined / clauses,
        min(2.0, 2 * len(connectives) / 6),
        elements / 2,
    )
    total = sum(points) + random.triangular(-2.8, 2.8, 0)  # graders differ
    return "\n".join(lines), min(10, max(0, round(total)))


def _sentence(random: Random, theme: tuple[str, str, str, str], high: bool, opening: bool) -> str:
    subject = theme[0] if opening and random.random() < 0.5 else random.choice((*SUBJECTS[high], theme[1]))
    verb = random.choice(VERBS[high])
    if subject == theme[0]:
        verb = verb.removesuffix("m")
    words = [subject, verb, random.choice(OBJECTS[high]), random.choice(TAILS[high]).format(theme[0])]
    if random.random() < 0.6:
        words.insert(1, random.choice(ADVERBS[high]))
    return " ".join(words)


def _proposal(random: Random, theme: tuple[str, str, str, str], elements: int) -> str:
    """Return a proposal of intervention with its first elements: agent, action, means and purpose."""
    agent = random.choice(theme[2:])
    duty = "devem" if agent.startswith(("os ", "as ")) else "deve"
    parts = (f"{agent} {duty} agir", random.choice(ACTIONS), random.choice(MEANS), random.choice(AIMS))
    if elements > 1:
        parts = (f"{agent} {duty}", *parts[1:])
    return " ".join(parts[:elements])


def _slip(random: Random, sentence: str, rate: float) -> tuple[str, int]:
    """Misspell words at the given rate, as students do: agreement, accents, similar sounds and swapped letters.

    Returns:
        The sentence, and how many of its words are misspelt.
    """
    words, made = sentence.split(), 0
    for index, word in enumerate(words):
        if len(word) < 4 or not word.isalpha() or random.random() >= rate:
            continue
        bare = "".join(c for c in unicodedata.normalize("NFD", word) if not unicodedata.combining(c))
        sound = next((letters for letters in MISSPELLINGS if letters in word), None)
        if sound:
            words[index] = word.replace(sound, MISSPELLINGS[sound])
        elif word.endswith("s"):
            words[index] = word[:-1]
        elif bare != word:
            words[index] = bare
        else:
            words[index] = word[:1] + word[2] + word[1] + word[3:]
        made += words[index] != word
    return " ".join(words), made
