"""The words of the page in Portuguese and English, side by side."""

from functools import partial

from redacoes import languages
from redacoes.languages import Language, decimal

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
    "missing": (
        "Ainda não há modelo: a pasta models/scorer não existe. No terminal, na pasta do projeto, `dvc repro` o faz e "
        "`dvc pull` o busca de quem já o fez; depois, abra a página de novo.",
        "There is no model yet: the folder models/scorer does not exist. On the terminal, in the project's folder, "
        "`dvc repro` makes it and `dvc pull` fetches one that a colleague has made; then start the page again.",
    ),
    "failed": ("O modelo não pôde ser carregado: {reason}", "The model could not be loaded: {reason}"),
    "tab_one": ("Corrigir", "Score"),
    "tab_many": ("Turma", "Class"),
    "tab_model": ("Modelo", "Model"),
    "essay": ("Redação", "Essay"),
    "essay_hint": (
        "Cole aqui o texto, com até {most} caracteres. Nada é guardado.",
        "Paste the text here, up to {most} characters. Nothing is kept.",
    ),
    "upload_one": ("Ou envie um arquivo .docx, .odt ou .txt", "Or upload a .docx, .odt or .txt file"),
    "score": ("Corrigir", "Score"),
    "upload_many": (
        "Arquivo .xlsx, .ods, .csv, .tsv, .jsonl ou .parquet, com até {size} MB e {rows} redações",
        "A .xlsx, .ods, .csv, .tsv, .jsonl or .parquet file, up to {size} MB and {rows} essays",
    ),
    "column": ("Coluna do texto", "Column of the text"),
    "column_hint": ("As colunas do arquivo aparecem aqui.", "The columns of the file appear here."),
    "student": ("Coluna do nome do aluno", "Column of the student's name"),
    "student_hint": ("Para a lista e os relatórios.", "For the list and the reports."),
    "nobody": ("(nenhuma)", "(none)"),
    "score_many": ("Corrigir a turma", "Score the class"),
    "download": ("Baixar as notas (Excel e CSV)", "Download the scores (Excel and CSV)"),
    "file_scores": ("notas", "scores"),
    "all": ("As redações", "The essays"),
    "first": ("As primeiras {count} redações de {all}", "The first {count} essays of {all}"),
    "table_hint": (
        "Clique no aluno para ver a redação com a explicação da nota, e num título para ordenar a tabela.",
        "Click on a student to see the essay and what explains its score, and on a heading to sort the table.",
    ),
    "only_first": ("As demais estão nos arquivos para baixar.", "The others are in the files to download."),
    "name": ("aluno", "student"),
    "row": ("Redação {number}", "Essay {number}"),
    "predicted": ("nota", "score"),
    "class": ("classe", "class"),
    "expected": ("média", "mean"),
    "low": ("de", "from"),
    "high": ("até", "to"),
    "truncated": ("cortada", "cut"),
    "True": ("sim", "yes"),
    "False": ("não", "no"),
    "scored": (
        "Redações corrigidas: {count}. Média da turma: {mean}; desvio padrão: {spread}.",
        "Essays scored: {count}. Mean of the class: {mean}; standard deviation: {spread}.",
    ),
    "rejected": (
        "Linhas que não puderam ser corrigidas: {count}. A primeira: {first}. Elas estão nos arquivos para baixar, "
        "com o motivo.",
        "Rows that could not be scored: {count}. The first: {first}. They are in the files to download, with "
        "the reason.",
    ),
    "col_predicted": ("nota estimada", "estimated score"),
    "col_class": ("classe (0 a {most})", "class (0 to {most})"),
    "col_expected": ("nota média esperada", "expected score"),
    "col_low": ("intervalo de 90 %: de", "90 % range: from"),
    "col_high": ("intervalo de 90 %: até", "90 % range: to"),
    "col_confidence": ("probabilidade da nota estimada", "probability of the estimated score"),
    "col_chance": ("probabilidade de {score}", "probability of {score}"),
    "col_tokens": ("tokens", "tokens"),
    "col_truncated": ("texto cortado", "text cut"),
    "col_reason": ("por que não foi corrigida", "why it was not scored"),
    "cut_in_workbook": (
        "Linhas com um texto de mais de {most} caracteres: {count}. Uma célula do Excel não comporta mais: no arquivo "
        ".xlsx, o fim desses textos é cortado; no .csv, eles estão inteiros.",
        "Rows with a text of more than {most} characters: {count}. A cell of Excel holds no more: in the .xlsx file "
        "the end of these texts is cut off; in the .csv they are whole.",
    ),
    "reject": ("linha {line}, {reason}", "line {line}, {reason}"),
    "row_missing": ("sem a coluna do texto", "without the column of the text"),
    "row_type": ("cuja redação não é um texto", "whose essay is not text"),
    "row_long": ("com uma redação de mais de {most} caracteres", "with an essay of more than {most} characters"),
    "row_empty": ("com uma redação vazia", "with an empty essay"),
    "row_nul": ("com um caractere nulo, que não é texto", "with a null character, which is not text"),
    "row_encoding": ("com bytes que não são texto", "with bytes that are not text"),
    "row_fields": ("com mais ou menos campos que o cabeçalho", "with more or fewer fields than the header"),
    "row_json": ("que não é um objeto JSON", "which is not a JSON object"),
    "no_row": (
        "Nenhuma linha do arquivo pôde ser corrigida. {first}",
        "No row of the file can be scored. {first}",
    ),
    "essays": ("redações", "essays"),
    "histogram": ("Quantas redações receberam cada nota", "How many essays got each score"),
    "estimate": ("Nota estimada", "Estimated score"),
    "of_class": ("(classe {score} de 0 a {most})", "(class {score} of 0 to {most})"),
    "range": (
        "Com 90 % de probabilidade, entre {low} e {high}; nota média esperada: {expected}.",
        "With 90 % probability between {low} and {high}; expected score: {expected}.",
    ),
    "of_classes": (
        "Em classes: entre {low} e {high}; média: {expected}.",
        "In classes: {low} to {high}; mean: {expected}.",
    ),
    "chances": ("Probabilidade de cada nota", "Probability of each score"),
    "sentences": ("O que cada frase muda na nota esperada", "What each sentence changes in the expected score"),
    "sentences_hint": (
        "O número é a nota esperada da redação menos a da redação sem a frase: é o efeito na estimativa do modelo, não "
        "o motivo de um corretor.",
        "The number is the expected score of the essay less that of the essay without the sentence: an effect on the "
        "model's estimate, not a grader's reason.",
    ),
    "many_sentences": (
        "A redação tem mais de {most} frases, e elas não são analisadas uma a uma.",
        "The essay has more than {most} sentences, so they are not analysed one by one.",
    ),
    "pending": (
        "O efeito de cada frase está sendo calculado.",
        "The effect of each sentence is being computed.",
    ),
    "neighbours": ("Redações de treino mais parecidas", "Most similar training essays"),
    "true_score": ("nota", "score"),
    "similarity": ("semelhança", "similarity"),
    "text": ("texto", "text"),
    "warning": ("Atenção", "Note"),
    "cut_off": (
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
        "The text is very different from anything that the model saw in training.",
    ),
    "empty": ("Não há texto para corrigir.", "There is no text to score."),
    "too_long": (
        "O texto tem {count} caracteres; o limite é {most}.",
        "The text has {count} characters; the limit is {most}.",
    ),
    "document_text": (
        "O arquivo não é um texto; salve-o como .docx, .odt ou .txt.",
        "The file is not text; save it as .docx, .odt or .txt.",
    ),
    "document_other": (
        "O arquivo não é um documento .docx nem .odt; salve-o como um deles, ou como .txt.",
        "The file is neither a .docx nor an .odt document; save it as one of them, or as .txt.",
    ),
    "document_old": (
        "O arquivo é de uma versão antiga do Word; salve-o como .docx, .odt ou .txt.",
        "The file is from an old version of Word; save it as .docx, .odt or .txt.",
    ),
    "document_encrypted": (
        "O documento tem uma senha; salve-o sem ela.",
        "The document has a password; save it without.",
    ),
    "document_damaged": (
        "O documento está danificado; abra-o e salve-o de novo.",
        "The document is damaged; open it and save it again.",
    ),
    "document_unfolds": (
        "O documento é grande demais depois de descompactado; salve-o como .txt.",
        "The document is too large once it is unpacked; save it as .txt.",
    ),
    "document_entities": (
        "O documento declara entidades, de que nenhum precisa; salve-o de novo, ou como .txt.",
        "The document declares entities, which no document needs; save it again, or as .txt.",
    ),
    "no_file": ("Escolha um arquivo primeiro.", "Choose a file first."),
    "file_gone": (
        "O arquivo já foi apagado, um quarto de hora depois do último uso; envie-o de novo.",
        "The file has been removed, a quarter of an hour after its last use; upload it again.",
    ),
    "no_student": ("Não há redação nessa linha do arquivo.", "There is no essay in that row of the file."),
    "too_many_columns": ("O arquivo tem mais de {most} colunas.", "The file has more than {most} columns."),
    "no_class": ("Corrija uma turma primeiro.", "Score a class first."),
    "reports": ("Relatórios da turma, para imprimir (ZIP)", "Reports of the class, to print (ZIP)"),
    "reports_download": ("Baixar os relatórios", "Download the reports"),
    "too_many_reports": (
        "Os relatórios são feitos para até {most} redações de uma vez; divida o arquivo.",
        "Reports are made of up to {most} essays at once; divide the file.",
    ),
    "file_reports": ("relatorios", "reports"),
    "file_all": ("todos", "all"),
    "own_score": ("Nota do professor", "Teacher's score"),
    "comment": ("Comentário do professor", "Teacher's comment"),
    "comment_hint": (
        "Vai para o relatório, e some quando esta aba é fechada; em branco, o relatório tem linhas para escrever.",
        "It goes into the report, and is gone when this tab is closed; if empty, the report has lines to write on.",
    ),
    "report": ("Relatório desta redação, para imprimir", "Report of this essay, to print"),
    "report_download": ("Baixar o relatório", "Download the report"),
    "report_title": ("Relatório da redação", "Report on the essay"),
    "moved": ("Frases que mais mudaram a nota", "Sentences that moved the score most"),
    "moved_effect": ("efeito", "effect"),
    "moved_sentence": ("frase", "sentence"),
    "made_by": ("Estimativa do modelo {model}.", "An estimate by the model {model}."),
    "too_many": ("O arquivo tem mais de {most} redações.", "The file has more than {most} essays."),
    "too_large": (
        "O arquivo tem mais de {most} caracteres ao todo; divida-o.",
        "The file has more than {most} characters in all; divide it.",
    ),
    "file_suffix": (
        "O nome do arquivo deve terminar em .csv, .tsv, .xlsx, .ods, .jsonl ou .parquet.",
        "The file's name must end in .csv, .tsv, .xlsx, .ods, .jsonl or .parquet.",
    ),
    "file_kind": (
        "O arquivo não é o que o nome diz; exporte-o da planilha como CSV.",
        "The file is not what its name says; export it from the spreadsheet as CSV.",
    ),
    "file_empty": ("O arquivo está vazio.", "The file is empty."),
    "file_encoding": ("O arquivo não é um texto.", "The file is not text."),
    "file_twice": ("A coluna {column!r} aparece duas vezes.", "The column {column!r} appears twice."),
    "file_taken": (
        "A coluna {column!r} tem o nome de uma das colunas de notas; mude-o.",
        "The column {column!r} has the name of one that scoring adds; rename it.",
    ),
    "file_no_column": (
        "Não há coluna {column!r}; as do arquivo são {known}.",
        "There is no column {column!r}; those of the file are {known}.",
    ),
    "file_quotes": (
        "Na linha {line}, falta fechar aspas, ou aspas dentro de um campo não foram duplicadas.",
        "On line {line}, a quote is not closed, or a quote inside a field is not written twice.",
    ),
    "file_damaged_workbook": (
        "A planilha está danificada, ou tem senha; exporte-a como CSV.",
        "The workbook is damaged or has a password; export it as CSV.",
    ),
    "file_unread_workbook": (
        "A planilha não pôde ser lida ({reason}); exporte a aba como CSV.",
        "The workbook cannot be read ({reason}); export the sheet as CSV.",
    ),
    "file_too_much": (
        "A planilha é grande demais; exporte a aba como CSV.",
        "The workbook is too large; export the sheet as CSV.",
    ),
    "file_damaged": ("O arquivo Parquet está danificado ou incompleto.", "The Parquet file is damaged or incomplete."),
    "model": ("Modelo", "Model"),
    "commit": ("Commit", "Commit"),
    "data": ("Dados", "Data"),
    "data_rows": (
        "{file}: {kept} redações de {read}; {splits}.",
        "{file}: {kept} essays of {read}; {splits}.",
    ),
    "split_train": ("de treino", "for training"),
    "split_validation": ("de validação", "for validation"),
    "split_test": ("de teste", "for the test"),
    "metrics": ("Métricas nas redações de teste", "Metrics on the test essays"),
    "not_better": (
        "Na validação, este modelo não é melhor que {name} ({mine} contra {its}): não se apoie nele.",
        "On validation this model is not better than {name} ({mine} against {its}): do not rely on it.",
    ),
    "against": (
        "O que este modelo tem a mais que a melhor referência simples, {name}: {difference} de QWK ({low} a {high}), "
        "nas mesmas redações de teste.",
        "The model's lead over the best simple baseline, {name}: {difference} of QWK ({low} to {high}), on the same "
        "test essays.",
    ),
    "baseline_prior": ("a frequência das notas", "the class prior"),
    "baseline_tfidf": ("TF-IDF", "TF-IDF"),
    "baseline_surface": ("a superfície do texto", "the text's surface"),
    "baseline_text": ("superfície e TF-IDF", "surface and TF-IDF"),
    "baseline_hybrid": ("a referência híbrida", "the hybrid baseline"),
    "metric": ("métrica", "metric"),
    "value": ("valor", "value"),
    "interval": ("intervalo de {percent} %", "{percent} % interval"),
    "meaning": ("o que significa", "what it means"),
    "metric_loss": ("Perda", "Loss"),
    "meaning_loss": (
        "O quanto as notas verdadeiras surpreendem o modelo; quanto menor, melhor.",
        "How much the true scores surprise the model: the smaller, the better.",
    ),
    "metric_accuracy": ("Acerto exato", "Exact agreement"),
    "meaning_accuracy": (
        "Parte das redações cuja nota estimada é a verdadeira.",
        "Share of essays whose estimated score is the true one.",
    ),
    "metric_adjacent_accuracy": ("Acerto com tolerância", "Adjacent agreement"),
    "meaning_adjacent_accuracy": (
        "Parte das redações cuja nota estimada fica a no máximo {one} da verdadeira.",
        "Share of essays whose estimated score is at most {one} from the true one.",
    ),
    "metric_qwk": ("Kappa quadrático (QWK)", "Quadratic weighted kappa (QWK)"),
    "meaning_qwk": (
        "Concordância com os corretores, em que erros grandes pesam mais: 0 é o acaso, e 1 a concordância perfeita.",
        "Agreement with the graders, where large errors weigh more: 0 is chance, and 1 perfect agreement.",
    ),
    "metric_mae": ("Erro médio absoluto", "Mean absolute error"),
    "meaning_mae": (
        "Distância média, em pontos, entre a nota estimada e a verdadeira.",
        "Mean distance, in points, between the estimated and the true score.",
    ),
    "metric_rmse": ("Raiz do erro quadrático médio", "Root mean squared error"),
    "meaning_rmse": (
        "A mesma distância, em pontos, em que erros grandes pesam mais.",
        "The same distance, in points, where large errors weigh more.",
    ),
    "metric_macro_f1": ("F1 macro", "Macro F1"),
    "meaning_macro_f1": (
        "Acerto em cada nota, entre 0 e 1, em média: notas raras pesam tanto quanto as frequentes.",
        "How well each score is told, from 0 to 1, on average: rare scores weigh as much as frequent ones.",
    ),
    "metric_weighted_f1": ("F1 ponderado", "Weighted F1"),
    "meaning_weighted_f1": (
        "O mesmo, em que cada nota pesa conforme a sua frequência.",
        "The same, where each score weighs as it is frequent.",
    ),
    "metric_off_by_more_than_two": ("Erros grandes", "Large errors"),
    "meaning_off_by_more_than_two": (
        "Parte das redações cuja nota estimada fica a mais de {two} da verdadeira.",
        "Share of essays whose estimated score is more than {two} from the true one.",
    ),
    "metric_ece": ("Erro de calibração", "Calibration error"),
    "meaning_ece": (
        "O quanto as probabilidades do modelo diferem da frequência com que ele acerta; quanto menor, melhor.",
        "How far the model's probabilities are from how often it is right; the smaller the better.",
    ),
    "point": ("{number} ponto", "{number} point"),
    "points": ("{number} pontos", "{number} points"),
    "confusion": (
        "Matriz de confusão: notas verdadeiras (linhas) e estimadas (colunas)",
        "Confusion matrix: true scores (rows) and estimated ones (columns)",
    ),
    "parameters": ("Parâmetros", "Parameters"),
    "parameter": ("parâmetro", "parameter"),
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


say = partial(languages.say, TEXTS)


def mean(value: float, points: float, language: Language) -> str:
    """Return a mean of scores in points, with the decimals that are significant.

    Args:
        value: The mean, as the model's scores have it.
        points: Points for one step of the score.
        language: Of the number.
    """
    return decimal(value * points, language, 0 if points >= 10 else 1)
