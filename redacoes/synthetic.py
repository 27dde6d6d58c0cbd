"""Synthetic essays in Portuguese, so that a fresh clone has something to learn from without a network.

Each essay is written by an imaginary student, whose skill in five respects (those of the ENEM exam) shapes the text;
the score is then counted from the text itself, so that it can be learnt, with a grader's noise. They are good for
showing that the workflow works, and for nothing else: no figure from them says anything about real essays.
"""

import re
import unicodedata
from collections.abc import Iterator
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
SUBJECTS = {
    False: ("as pessoas", "os governos", "as cidades", "os bairros", "os problemas", "as notícias", "os amigos",
            "as coisas", "os pais", "os políticos"),
    True: ("os indivíduos", "as instituições", "as desigualdades históricas", "os agentes públicos",
           "as políticas vigentes", "os setores vulneráveis", "as parcelas marginalizadas",
           "os mecanismos legais", "as estruturas sociais",
           "os paradigmas culturais"),
}  # fmt: skip
VERBS = {
    False: ("deixam", "fazem", "pioram", "mudam", "aumentam", "ajudam", "mostram", "atrapalham"),
    True: (
        "intensificam",
        "perpetuam",
        "negligenciam",
        "evidenciam",
        "corroboram",
        "agravam",
        "fragilizam",
        "legitimam",
    ),
}
OBJECTS = {
    False: ("a vida de todos", "muita coisa ruim", "o dia a dia", "a situação do país", "tudo isso",
            "o futuro da gente", "a rua e a casa", "os nossos direitos"),
    True: ("a construção da cidadania", "a dignidade humana", "o bem-estar coletivo", "a coesão do tecido social",
           "as garantias constitucionais", "a efetivação dos direitos", "o desenvolvimento sustentável",
           "as condições de exclusão"),
}  # fmt: skip
TAILS = {
    False: ("todo dia", "no Brasil de hoje", "porque ninguém liga", "e isso é ruim", "há muito tempo", "sem parar",
            "em muitos lugares", "e não é certo"),
    True: ("em detrimento das minorias", "à luz da Constituição de 1988", "na contemporaneidade",
           "de maneira estrutural", "em consonância com a lógica do mercado", "conforme apontam especialistas",
           "sob a omissão do Estado", "no cenário hodierno"),
}  # fmt: skip
ACTIONS = ("criar campanhas", "ampliar investimentos", "oferecer cursos", "fiscalizar as normas", "promover debates")
MEANS = (
    "por meio de verbas públicas",
    "por meio de parcerias locais",
    "por meio de leis específicas",
    "por meio da mídia",
)
AIMS = (
    "a fim de reduzir o problema",
    "a fim de garantir direitos",
    "a fim de formar cidadãos",
    "a fim de mudar hábitos",
)
MISSPELLINGS = {"ç": "ss", "ão": "aum", "x": "ch", "z": "s", "qu": "k", "lh": "li"}


def essays(rows: int, seed: int) -> Iterator[dict[str, str | int]]:
    """Yield rows with `essay`, `score` (0 to 10) and `theme`; no text stands twice.

    Only integer draws of the standard library's generator and additions decide, so that the text is the same on every
    machine.
    """
    random = Random(seed)
    seen: set[str] = set()
    while len(seen) < rows:
        theme = random.choice(THEMES)
        skill = random.triangular(-0.15, 1.15, 0.5)
        skills = [min(1.0, max(0.0, skill + random.uniform(-0.2, 0.2))) for _ in range(5)]
        text, score = _write(random, theme, skills)
        if text not in seen:
            seen.add(text)
            yield {"essay": text, "score": score, "theme": theme[0]}


def _write(random: Random, theme: tuple[str, str, str, str], skills: list[float]) -> tuple[str, int]:
    language, structure, argument, cohesion, proposal = skills
    paragraphs = 1 + round(structure * 3)
    connectives: set[str] = set()
    refined = clauses = slips = words = 0
    written = []
    for number in range(paragraphs):
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
        written.append(sentences)
    elements = round(proposal * 4)
    if elements:
        parts = (random.choice(theme[2:]) + " deve", random.choice(ACTIONS), random.choice(MEANS), random.choice(AIMS))
        written.append([" ".join(parts[:elements])])
    lines = []
    for sentences in written:
        finished = []
        for sentence in sentences:
            sentence, made = _slip(random, sentence, (1 - language) * 0.3)
            slips, words = slips + made, words + len(sentence.split())
            finished.append(sentence[0].upper() + sentence[1:] + ".")
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
        verb = re.sub("m$", "", verb)
    return f"{subject} {verb} {random.choice(OBJECTS[high])} {random.choice(TAILS[high])}"


def _slip(random: Random, sentence: str, rate: float) -> tuple[str, int]:
    """Misspell words at the given rate, as students do: agreement, accents, letters that sound alike."""
    words, made = sentence.split(), 0
    for index, word in enumerate(words):
        if len(word) < 4 or random.random() >= rate:
            continue
        bare = "".join(c for c in unicodedata.normalize("NFD", word) if not unicodedata.combining(c))
        found = [wrong for right, wrong in MISSPELLINGS.items() if right in word]
        if found:
            right = next(right for right in MISSPELLINGS if right in word)
            words[index] = word.replace(right, found[0])
        elif word.endswith("s"):
            words[index] = word[:-1]
        elif bare != word:
            words[index] = bare
        else:
            words[index] = word[:1] + word[2] + word[1] + word[3:]
        made += words[index] != word
    return " ".join(words), made
