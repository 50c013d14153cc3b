"""Parameters of Content-Type and Content-Disposition, in all forms in which file names arrive."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbox.mail.limits import TooComplex
from inbox.mail.parameters import parameters


@pytest.mark.parametrize(
    ("text", "value", "params"),
    [
        ("text/plain; charset=utf-8", "text/plain", {"charset": "utf-8"}),
        ("TEXT/PLAIN; CHARSET=UTF-8", "text/plain", {"charset": "UTF-8"}),
        ("text/plain; charset=us-ascii (Plain text)", "text/plain", {"charset": "us-ascii"}),
        ('multipart/mixed\tboundary="b x"', "multipart/mixed", {"boundary": "b x"}),
        ("text/plain charset=utf-8 format=flowed", "text/plain", {"charset": "utf-8", "format": "flowed"}),
        ("text/plain; charset=", "text/plain", {"charset": ""}),
        ('; filename="a.png"', "", {"filename": "a.png"}),
        ('filename="a.png"', "", {"filename": "a.png"}),
        ('attachment; filename="Jim \\"Bob\\" Jill"', "attachment", {"filename": 'Jim "Bob" Jill'}),
        ('attachment; filename="C:\\files\\new.txt"', "attachment", {"filename": "C:\\files\\new.txt"}),
        ('attachment; filename="a;b=c.txt"; size=3', "attachment", {"filename": "a;b=c.txt", "size": "3"}),
        ('attachment; filename="never closed', "attachment", {"filename": "never closed"}),
        ("attachment; filename=two words.pdf", "attachment", {"filename": "two words.pdf"}),
        ("a/b; name*=utf-8''%E8%A6%8B%E7%A9%8D.pdf", "a/b", {"name": "見積.pdf"}),
        ("a/b; name*0*=utf-8'ja'%E8%A6; name*1*=%8B; name*2=.pdf", "a/b", {"name": "見.pdf"}),
        ('a/b; name*1=".html"; name*0="abc"', "a/b", {"name": "abc.html"}),
        ("a/b; name*0=us-ascii'en-us'My; name*1*=\" Document\"", "a/b", {"name": "My Document"}),
        (
            'a/b; name*0="us-ascii\'en-us\'Frank\'s"; name*1=" Document"',
            "a/b",
            {"name": "us-ascii'en-us'Frank's Document"},
        ),
        ("a/b; name=plain.doc; name*=utf-8''r%C3%A9al.doc", "a/b", {"name": "réal.doc"}),
        ('a/b; name="=?ISO-2022-JP?B?GyRCOCtAURsoQg==?=.pdf"', "a/b", {"name": "見積.pdf"}),
        ('a/b; name="=?UTF-8?Q?a=2E?=     =?UTF-8?Q?pdf?="', "a/b", {"name": "a.pdf"}),
        ("a/b; name*=''plain", "a/b", {"name": "plain"}),
        ("a/b; name*=x-unknown''caf%E9", "a/b", {"name": "café"}),
        ("", "", {}),
        (";;;;", "", {}),
    ],
)
def test_parameters_are_read_in_all_their_forms(text, value, params):
    assert parameters(text) == (value, params)


def test_too_many_continuations_are_refused():
    with pytest.raises(TooComplex):
        parameters("a/b" + "".join(f"; name*{n}=x" for n in range(101)))


def test_an_endless_header_is_refused():
    with pytest.raises(TooComplex):
        parameters("a/b" + ";" * 70_000)


@given(st.text(alphabet=st.sampled_from("ab/=;*'\"\\ %0159?(),\té"), max_size=80))
def test_no_text_raises(text):
    parameters(text)
