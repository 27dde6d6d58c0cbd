"""All that the page says, in Portuguese and in English, side by side."""

from typing import Any, Literal

Language = Literal["pt", "en"]

TEXTS: dict[str, tuple[str, str]] = {
    "title": ("Correção automática de redações", "Automatic essay scoring"),
    "statement": (
        "A nota é uma estimativa da nota que um corretor daria{error}. Ela nunca substitui uma avaliação.",
        "The score is an estimate of the score that a grader would give{error}. It is never a grade.",
    ),
    "error": (
        ": nas {count} redações de teste, o erro médio foi de {mae} pontos",
        ": on the {count} test essays it was {mae} points off on average",
    ),
    "language": ("Idioma", "Language"),
    "loading": (
        "O modelo está sendo carregado. A página já responde; a primeira nota leva alguns segundos.",
        "The model is loading. The page answers already; the first score takes some seconds.",
    ),
    "ready": ("O modelo está pronto.", "The model is ready."),
    "failed": ("O modelo não pôde ser carregado: {reason}", "The model could not be loaded: {reason}"),
    "tab_one": ("Corrigir", "Score"),
    "tab_many": ("Turma", "Class"),
    "tab_model": ("Modelo", "Model"),
    "essay": ("Redação", "Essay"),
    "essay_hint": (
        "Cole aqui o texto, com até {most} caracteres. Nada é guardado.",
        "Paste the text here, up to {most} characters. Nothing is kept.",
    ),
    "upload_one": ("Ou envie um arquivo .txt", "Or upload a .txt file"),
    "score": ("Corrigir", "Score"),
    "upload_many": (
        "Arquivo .csv, .jsonl ou .parquet, com até {size} MB e {rows} redações",
        "A .csv, .jsonl or .parquet file, up to {size} MB and {rows} essays",
    ),
    "column": ("Coluna do texto", "Column of the text"),
    "delimiter": ("Separador do CSV", "Delimiter of the CSV"),
    "score_many": ("Corrigir a turma", "Score the class"),
    "download": ("Baixar as notas (CSV)", "Download the scores (CSV)"),
    "table": ("As primeiras {count} redações", "The first {count} essays"),
    "scored": ("{count} redações corrigidas.", "{count} essays scored."),
    "rejected": (
        "{count} linhas não puderam ser lidas; a primeira, {first}.",
        "{count} rows could not be read; the first, {first}.",
    ),
    "histogram": ("Quantas redações receberam cada nota", "How many essays got each score"),
    "estimate": ("Nota estimada", "Estimated score"),
    "range": (
        "Com 90 % de probabilidade, entre {low} e {high}; nota média esperada: {expected}.",
        "With 90 % probability between {low} and {high}; expected score: {expected}.",
    ),
    "chances": ("Probabilidade de cada nota", "Probability of each score"),
    "sentences": ("O que cada frase muda na nota esperada", "What each sentence changes in the expected score"),
    "sentences_hint": (
        "O número é a nota esperada da redação menos a da redação sem a frase: é o efeito na estimativa do modelo, não "
        "o motivo de um corretor.",
        "The number is the expected score of the essay less that of the essay without the sentence: an effect on the "
        "model's estimate, no reason of a grader.",
    ),
    "many_sentences": (
        "A redação tem mais de {most} frases, e elas não são analisadas uma a uma.",
        "The essay has more than {most} sentences, and they are not told apart.",
    ),
    "neighbours": ("Redações de treino mais parecidas", "Training essays most like it"),
    "true_score": ("nota", "score"),
    "similarity": ("semelhança", "similarity"),
    "text": ("texto", "text"),
    "warning": ("Atenção", "Note"),
    "truncated": (
        "O texto tem {tokens} tokens, e o modelo só lê {most}: uma parte não foi considerada.",
        "The text has {tokens} tokens, and the model reads {most}: a part of it was not seen.",
    ),
    "short": (
        "O texto é muito curto ({words} palavras) para uma redação.",
        "The text is very short ({words} words) for an essay.",
    ),
    "not_portuguese": ("O texto não parece estar em português.", "The text does not seem to be in Portuguese."),
    "far": (
        "O texto é muito diferente de tudo o que o modelo viu no treino.",
        "The text is far from anything that the model has seen in training.",
    ),
    "empty": ("Não há texto para corrigir.", "There is no text to score."),
    "too_long": (
        "O texto tem {count} caracteres; o limite é {most}.",
        "The text has {count} characters; the limit is {most}.",
    ),
    "no_text_file": (
        "O arquivo não é texto em UTF-8; salve-o como .txt em UTF-8.",
        "The file is no UTF-8 text; save it as .txt in UTF-8.",
    ),
    "no_file": ("Escolha um arquivo primeiro.", "Choose a file first."),
    "too_many": ("O arquivo tem mais de {most} redações.", "The file has more than {most} essays."),
    "too_large": (
        "As redações do arquivo têm mais de {most} caracteres ao todo; divida o arquivo.",
        "The essays of the file have more than {most} characters in all; divide the file.",
    ),
    "bad_file": ("O arquivo não pôde ser lido: {reason}", "The file could not be read: {reason}"),
    "model": ("Modelo", "Model"),
    "commit": ("Commit", "Commit"),
    "data": ("Dados", "Data"),
    "data_rows": (
        "{file}: {kept} redações de {read}; {splits}.",
        "{file}: {kept} essays of {read}; {splits}.",
    ),
    "metrics": ("Métricas nas redações de teste", "Metrics on the test essays"),
    "metric": ("métrica", "metric"),
    "value": ("valor", "value"),
    "interval": ("intervalo", "interval"),
    "confusion": (
        "Matriz de confusão: notas verdadeiras (linhas) e estimadas (colunas)",
        "Confusion matrix: true scores (rows) and estimated ones (columns)",
    ),
    "parameters": ("Parâmetros", "Parameters"),
    "limits": ("Limites de uso", "Limits of use"),
    "limits_text": (
        "As métricas valem para redações como as de teste. O modelo não verifica fatos, não reconhece plágio nem fuga "
        "ao tema, e repete os hábitos dos corretores cujas notas aprendeu. Não use a nota para aprovar ou reprovar "
        "ninguém.",
        "The metrics hold for essays like those of the test. The model checks no facts, sees neither plagiarism nor a "
        "missed topic, and repeats the habits of the graders whose scores it learnt. Let no score decide on a person.",
    ),
    "synthetic": (
        "Este modelo aprendeu com redações sintéticas: as notas não valem para redações de verdade.",
        "This model has learnt from synthetic essays: its scores say nothing of real ones.",
    ),
    "unknown": ("Deste modelo não se sabe mais: {reason}", "No more is known of this model: {reason}"),
}


def say(key: str, language: Language, **values: Any) -> str:
    """Return a text in a language, with its values put in. Raises KeyError for a text that there is not."""
    return TEXTS[key][language == "en"].format(**values)
