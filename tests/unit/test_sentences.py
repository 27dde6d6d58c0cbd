"""Where a sentence ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redacoes.essays.cleaning import clean
from redacoes.explain.sentences import sentences, without


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("O Dr. Silva leu o art. 5º da lei, na p. 12. Gostou.", ["O Dr. Silva leu o art. 5º da lei, na p. 12.", "Gostou."]),
        ("Custa R$ 3.500,00 ou 3.5 mil. Caro!", ["Custa R$ 3.500,00 ou 3.5 mil.", "Caro!"]),
        ("Eu acho que... não sei. Sei… talvez.", ["Eu acho que... não sei.", "Sei… talvez."]),
        ("Foi embora... Ninguém viu.", ["Foi embora...", "Ninguém viu."]),
        ("Ele vive nos E.U.A. desde 1988. A Profa. Ana, o Sr. J. Souza etc. vieram.", ["Ele vive nos E.U.A. desde 1988.", "A Profa. Ana, o Sr. J. Souza etc. vieram."]),
        ("Livros, filmes etc. A lista é longa.", ["Livros, filmes etc.", "A lista é longa."]),
        ("Por quê? Porque sim! «Vá embora!» disse ele. (Fim.) Agora", ["Por quê?", "Porque sim!", "«Vá embora!» disse ele.", "(Fim.)", "Agora"]),
        ("isso é ruim. as pessoas não ligam", ["isso é ruim.", "as pessoas não ligam"]),
        ("1. Introdução. 2. Fim", ["1. Introdução.", "2. Fim"]),
        ("Título\nUma linha\nOutra.", ["Título", "Uma linha", "Outra."]),
        ("Acabou ! ! !\n***", ["Acabou ! ! !", "***"]),
        ("O que é. Depois", ["O que é.", "Depois"]),
        ("", []),
    ],
)  # fmt: skip
def test_sentences(text: str, expected: list[str]) -> None:
    assert [text[begin:end] for begin, end in sentences(text)] == expected


@given(st.text(st.one_of(st.sampled_from('aB 1.!?…\n"»)-é\u2028\x85\r\t\xa0'), st.characters()), max_size=60))
def test_every_character_is_in_one_sentence(text: str) -> None:
    spans = sentences(text)
    inside = [place for begin, end in spans for place in range(begin, end)]
    assert inside == sorted(set(inside))
    assert {place for place, character in enumerate(text) if not character.isspace()} <= set(inside)
    for begin, end in spans:
        assert begin < end
        assert text[begin:end] == text[begin:end].strip()
        assert len(text[begin:end].splitlines()) == 1


WORDS = st.lists(st.sampled_from(["casa", "escola", "o", "é", "lei", "vive"]), min_size=2, max_size=5)
PLAIN = st.tuples(WORDS, st.sampled_from([".", "!", "?", "..."])).map(lambda of: " ".join(of[0]).capitalize() + of[1])


@given(st.lists(PLAIN, max_size=6), st.sampled_from([" ", "\n", "  "]))
def test_plain_sentences_are_told_apart(written: list[str], between: str) -> None:
    text = between.join(written)
    assert [text[begin:end] for begin, end in sentences(text)] == written


@given(st.text(st.sampled_from('aB 1.!?…\n"»)-é'), max_size=60))
def test_a_text_without_one_of_its_sentences_is_as_clean_as_it_was(text: str) -> None:
    text = clean(text)
    for begin, end in sentences(text):
        assert without(text, begin, end) == clean(text[:begin] + text[end:])
