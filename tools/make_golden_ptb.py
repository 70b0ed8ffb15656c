"""Make tests/golden/ptb.json: texts of our own, tokenized by the Java tool we have to agree with.

The tool is Stanford's PTBTokenizer 3.4.1 as pycocoevalcap 1.2 ships and calls it, and punctuation
is removed by pycocoevalcap's list. That needs Java and a package this project does not depend on,
so it runs in an environment of its own:

    python3 -m venv oracle
    oracle/bin/pip install pycocoevalcap==1.2
    oracle/bin/python tools/make_golden_ptb.py

A rule's texts are separated by `;;`. `\\N{...}` and `\\u....` stand for the characters they name.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

import pycocoevalcap
from pycocoevalcap.tokenizer.ptbtokenizer import PUNCTUATIONS, STANFORD_CORENLP_3_4_1_JAR

GOLDEN = Path(__file__).parent.parent / "tests" / "golden" / "ptb.json"
JAR = Path(pycocoevalcap.__path__[0]) / "tokenizer" / STANFORD_CORENLP_3_4_1_JAR

RULES = {
    "plain words": r"""
        A narrow kitchen with two ovens and a sink.;; Yes;; TWO DOGS RUN;; the end.;; a, b; and c: d
        ;; The sea was calm, the sky was grey, and nobody spoke!;;
        \N{SPACE}two\N{SPACE}\N{SPACE}blanks ;; Ärger über Öl;; ĞİŞ İstanbul;; ΟΔΟΣ ΣΑΣ Σ ΑΣ-Β;;
        ẞtraße;; ЖЁЛТЫЙ;; naïve café""",
    "cut words": r"""
        I cannot see;; Cannot;; CANNOT.;; cannots;; cannot's;; cannot-do;; gonna go;; gonnas ;; you
        gotta;; lemme in;; gimme that;; I wanna, really;; wannabe;; 'tis late;; 'Twas night ;;
        'twasn't;; more'n that;; d'ye hear;; cannot'd;; canNot;; x-cannot;; #gonna""",
    "contractions": r"""
        it's;; IT'S;; don't;; DON'T;; Don\N{RIGHT SINGLE QUOTATION MARK}t;; won't've;; can't;; ain't
        ;; I'm we're they've she'll he'd;; I'd've;; the dogs' bowls;; the dog's bowl;; 's;; n't ;;
        don'ts;; it'sa;; it\N{RIGHT SINGLE QUOTATION MARK}sa;; nn't;; 5n't;; don`t;; don&apos;t ;;
        1990's;; x-n't;; shouldn't.;; y's;; j'mb;; O'Hara's;; who're;; o'clock's;; it's's""",
    "elisions": r"""
        y'all;; Y'all're;; j'ai;; d'5;; d'Or;; l'eau;; L'Avare;; O'Neil;; o'clock;; O'B;; M'Ba;;
        m'ba ;; n'importe;; Xi'an;; ma'am;; Hallowe'en;; c'est la vie;; qu'il;; s'il;; int'l;; nat'l
        ;; cap'n;; c'mon;; c\N{RIGHT SINGLE QUOTATION MARK}mon;; li'l;; e'er;; ol' man;; rock'n'roll
        ;; somethin';; nothin';; O'Neil-Smith;; x/O'Neil;; KO'ing;; I'ing;; baa'hab;; l'\u00adab ;;
        O\N{LEFT SINGLE QUOTATION MARK}Neil;; l'été;; D'33;; éO'B;; B'll's""",
    "cut beginnings": r"""
        get 'em;; 'til then;; 'cause;; 'causes;; rock 'n' roll;; salt 'n pepper;; 'n.;; 'bout ;; the
        '90s;; the '00s;; in '90 again;; '90, say;; '90-x;; \N{RIGHT SINGLE QUOTATION MARK}em ;;
        \N{RIGHT SINGLE QUOTATION MARK}90s;; \N{LEFT SINGLE QUOTATION MARK}90s;; 'sail;; 'ems""",
    "hyphens": r"""
        20-year-old;; well-known;; snake_case;; __init__;; a--b;; a---b;; -a;; a-;; pro- and
        anti-war ;; x_;; a__b;; a-b_c-d;; U.S.-based;; anti-U.S.;; non-U.S.-x;; 5.5-inch;; 5:5-a;;
        a.b-c.d ;; Mr.-b;; Smith.-b;; a,b-c;; 1,000-seat;; a-5.5;; x\N{HYPHEN}y;; x \N{HYPHEN} y;;
        pro-% ;; pre\N{SOFT HYPHEN}fix;; pro-\N{SOFT HYPHEN}gram;; \N{SOFT HYPHEN};; a-b.c. d;;
        é.ü-a ;; a\u0301-b;; 5\u00adth;; -\u00ad""",
    "slashes": r"""
        his/her;; km/h;; and/or;; w/ a hat;; a/b/c;; a/b/c/d;; a-b/c-d/e;; a-5/b;; 1/2/x;; a.b/c ;;
        é/b;; a/U.S.;; Mr./Mrs.;; // no;; a \/ b;; a\/b;; C:\Temp\x""",
    "dots inside": r"""
        example.org;; foo.bar.baz;; ab.cd.;; mr.smith;; the.End;; 5.ab;; ab.5;; a5.b6;; what?yes ;;
        no!yes;; a?b!c;; 5?5;; Ab.Cd;; a.b?;; ñ.b;; x..y;; .NET;; .com;; a.;; word., then ;; 5.,
        then;; 5.5., then;; x-y.: z;; a/b., c;; O'Neil., d""",
    "capitals": r"""
        AT&T;; AT&amp;T;; R&D's;; A&b;; a&b;; A+B+C;; US$5;; HK$ 5;; us$5;; C++ and C#;; c++;; F#.
        ;; G++;; A+;; S&P500;; Q&A.;; A&B., c""",
    "abbreviations": r"""
        Mr. Smith;; Dr.Smith;; etc. and so on;; etc.;; (etc.);; etc.b;; etc.bc;; Jan.-F;; Jan.-Feb
        ;; Acme Inc. The dog;; Acme Corp. said;; St. Louis;; calif.;; Mass. and mass.;; PTE. Pte. ;;
        no.;; No. 5;; no.5;; No.\N{SPACE}\N{SPACE}5;; figs. 3;; pp. 12 ff.;; vol. 3;; art. 4;;
        Ph.D.;; ph.d. x ;; M.Sc. B.Ed.;; Mrs. Dr. Prof. Gen. Sen. Rep.;; Mon. Tues. Wed. Sat.;; Jr.
        and Sr. ;; approx. 5;; dept. of;; vs. them;; Mt. Fuji;; ave. and blvd.;; etc...;; Mr....;;
        jAN. x""",
    "acronyms and initials": r"""
        U.S.;; u.s. troops;; the U.S. The;; U.S.A.;; e.g. this;; i.e., that;; J. K. Rowe ;; vitamin
        C.;; vitamin c. The;; plan B. However;; X. the;; X. THE;; X. Mr. b;; X. Mrs. b ;; X. The's;;
        X.\N{NO-BREAK SPACE}The;; É. b;; 5 p.m. today;; 5p.m.;; 5:30p.m.;; a.m ;; a.5.;; U.S.5;;
        U.S.'s;; U.S..;; A.B.c. d;; x.yz.""",
    "numbers": r"""
        1,000;; 1,000.50;; 3.5cm;; -5;; +5;; 5+5;; 5-5;; --5;; .5;; ,5;; :5;; 1.2.3.4;; 10:30am ;;
        10:30 AM;; 10:30:45;; 10am;; 10,000th;; 21st;; 1950s;; 5%;; 5.5%;; 5/8;; 5.5/8;; 5e-5 ;;
        0x1F;; 4x4;; 5..9;; 5...9;; 1-2-3;; 2013-01-02;; 12/31/1999;; 12/31-1999;; 1/2-9 ;;
        61184...65519;; x\N{SUPERSCRIPT TWO};; 10\N{SUPERSCRIPT MINUS}\N{SUPERSCRIPT THREE} ;;
        H\N{SUBSCRIPT TWO}O;; 5\N{DEGREE SIGN}C;; 5'10";; 5x\u0301;; 7\u0301;; \u0663.\u0665 ;;
        5,\u00ad5""",
    "glued": r"""
        1 1/2 cups;; 11 1/222;; 12345 1/2;; 1-1/2;; 1\N{SPACE}\N{SPACE}1/2;; 1\N{FRACTION SLASH}2;;
        (555) 555-0123 ;; (555)555-0123;; (555) 55-0123;; 555 555 0123;; 555-0123;; 555 0123;; 1 555
        555 0123 ;; +44 20 7946 0018;; +44-20-7946-0018;; +1-555-555-0123;; +12 345678;; 2005 123456
        ;; (12) 1999-2000;; 555 555 0123a;; 1-800-555-0199""",
    "currency": r"""
        $5.50;; $ 5;; 5$;; $$;; \N{POUND SIGN}5m;; \N{EURO SIGN}5;; 5\N{CENT SIGN};; \N{YEN SIGN}5
        ;; \N{VULGAR FRACTION ONE HALF} cup;; 5\N{VULGAR FRACTION ONE QUARTER} ;; \N{VULGAR FRACTION
        THREE QUARTERS}a;; \N{VULGAR FRACTION ONE THIRD} ;; \N{VULGAR FRACTION ONE EIGHTH};;
        \N{INDIAN RUPEE SIGN}5;; \N{CURRENCY SIGN}5""",
    "web": r"""
        see http://a.example/b?c=d#e.;; (https://example.org/x);; http://a;; http://localhost:80 ;;
        HTTP://A.B/;; ftp://a.b;; www.example.org/page;; www.a-b.de;; www.a;; example.com/path. ;;
        example.com/p;; a-b.com/cde;; *.example.com;; ~.community;; a5.com/cde;; A.COM/cde ;;
        x.com/a{b}c;; http://a.b/{c};; http://a.b/(c);; me@example.org;; <me@example.org> ;;
        me@example.org, you;; a.b+c@d-e.f.;; a@b;; a@;; @b;; é@b.c;; a@.b;; a@b..c;; a(b@c.d ;;
        mailto:a@b.c;; 5.txt;; 5.tar.gz, x;; 5.txt);; 5.pdf.;; 5.foo;; a-b.txt;; 2.6.x ;;
        http://a.b/c\N{NO-BREAK SPACE}d;; http://a.b/c\N{NO-BREAK SPACE}""",
    "tags": r"""
        <b>bold</b>;; a<br />b;; <a href="x y">z</a>;; <a b=c>;; <a b='c' d = "e">;; <a b c>;; < a >
        ;; </a >;; <5>;; a < b > c;; <!-- x y -->;; <!DOCTYPE html>;; <?xml v?>;; <image>;;
        <a-b.c:d> ;; <é>;; <<a>>;; <a b="c>;; <a\N{SPACE}\N{SPACE}b>;; 3<5;; <- ->;; <a@b.c d>""",
    "entities": r"""
        salt &amp; pepper;; &lt;b&gt;;; &quot;a&quot;;; &apos;s;; a&nbsp;b;; a&mdash;b;; x &ndash; y
        ;; caf&eacute;s;; &Auml;;; &#39;s;; &#8217;;; &#x27;;; &copy;;; &hellip;;; &HT; &UR; &MD; ;;
        &AMP;;; &QUOT;;; & and &&;; a&;; &lt;me@b.c&gt;;; &acirc;;; &MD""",
    "names": r"""
        #tag;; #tag5;; #5;; #é;; ##;; ##a;; a#b;; #a-b;; #a_b;; @user;; @user_5;; @5;; @_a;; @@;;
        @@a ;; @é;; #\u0301a;; #a\N{SOFT HYPHEN}b""",
    "runs": r"""
        what?!;; no!!!;; wait...;; wait....;; ..;; ......;; . . .;; . .;; a. . .b;; -----;; ----;;
        *** ;; *;; **a**;; ___;; ===;; ~~;; ^^;; ||;; \\;; \*;; >>;; <<<;; ???;; ,,;; ;: ;;:: x;; %%
        ;; \N{HORIZONTAL ELLIPSIS};; a\N{HORIZONTAL ELLIPSIS}b;; !.;; ?...;; +++;; $$$""",
    "dashes": r"""
        a \N{EN DASH} b;; a\N{EM DASH}b;; \N{HORIZONTAL BAR};; \N{MINUS SIGN}5;; 5\N{EN DASH}6 ;;
        \N{FIGURE DASH};; x \u0096 y;; \N{NON-BREAKING HYPHEN};; a - b;; a -- b;; –-""",
    "brackets": r"""
        (a);; [a];; {a};; f(x);; person(s);; ((a));; ( );; a) b);; -LRB- a;; -lrb- a-lrb- -rrb-b;;
        --LCB-;; [5] {6} (7) ;; \N{FULLWIDTH LEFT PARENTHESIS}a\N{FULLWIDTH RIGHT PARENTHESIS}""",
    "faces": r"""
        :);; :-);; ;-) x;; :D;; :Dog;; =(;; :P.;; >:(;; <3;; ^_^;; -_-;; (^_^);; (^.^);; (--x);; x_<
        ;; o'O;; :/;; :3;; 8);; :'(;; :o);; (:;; :-(x;; :@;; a:D;; (xx);; :p;; ;|;; :\;; T_T""",
    "quotes": r"""
        "a" and 'b';; ``a'';; `a';; ''';; "";; \N{LEFT DOUBLE QUOTATION MARK}a\N{RIGHT DOUBLE
        QUOTATION MARK} ;; \N{LEFT SINGLE QUOTATION MARK}a\N{RIGHT SINGLE QUOTATION MARK} ;; \N{LEFT
        DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK} ;; \N{RIGHT SINGLE QUOTATION
        MARK}\N{RIGHT DOUBLE QUOTATION MARK} ;; \N{RIGHT SINGLE QUOTATION MARK}\N{RIGHT SINGLE
        QUOTATION MARK} ;; «a» ‹b›;; \N{DOUBLE LOW-9 QUOTATION MARK}a\N{LEFT DOUBLE QUOTATION
        MARK};; 'a b' c ;; \u0093a\u0094 \u0091b\u0092;; it\u0092s;; \N{PRIME} \N{DOUBLE PRIME}
        \N{ACUTE ACCENT} ;; \N{MODIFIER LETTER APOSTROPHE} it\N{MODIFIER LETTER APOSTROPHE}s;; a"b;;
        "Why?" he said.""",
    "dropped and kept characters": r"""
        a \N{GRINNING FACE} b;; a\N{GRINNING FACE}b;; \N{ZERO WIDTH SPACE}a;; a\u0001b;; a\tb ;;
        a\N{NO-BREAK SPACE}b;; a\N{IDEOGRAPHIC SPACE}b;; a\N{EM SPACE}b;; \N{COPYRIGHT SIGN} 5 ;;
        a\N{TRADE MARK SIGN};; a\N{BULLET}b;; \N{BLACK STAR}\N{BLACK STAR};; 5\N{MULTIPLICATION
        SIGN}5 ;; 中文 文字。;; 日本語カタカナ;; 한국어;; العربية עברית;;
        हिन्दी;; ไทย;; ру́сский;; ٣.٥;; Ⅷ ;;
        \N{INVERTED QUESTION MARK}a?;; \N{CIRCLED DIGIT ONE}a;; \N{MATHEMATICAL BOLD CAPITAL A}b ;;
        \N{LEFT BLACK LENTICULAR BRACKET}a\N{RIGHT BLACK LENTICULAR BRACKET};; ﬁx;; ＡＢ １２ ;;
        \N{NUMERO SIGN}5;; \N{RIGHTWARDS ARROW};; a\ufe0fb;; \ufeffa;; º ª 5º;; \ufffd""",
    "sentences": r"""
        "I can't believe it's 10:30pm," said Mrs. O'Leary, who'd paid $3.50 (or 5%) for her tea. ;;
        The U.S.-born actor, 45, won 3-2; he lives at no. 10, St. James's St., doesn't he? ;; A man
        in a t-shirt & jeans rides a 4x4 at 60km/h -- without a helmet! ;; Mail me@example.org or
        see www.example.org/faq; it's free, e.g. for students... ;; The sign reads: 'Rock 'n' Roll
        since '68, no. 1 in the '70s'. ;; Two girls (one blonde, one dark-haired) share an
        ice-cream; y'all can't have any!!! ;; X-ray shows a 2.5 x 3.0 cm mass in the L. upper lobe.
        There is no effusion. ;; Pt. c/o pain 8/10; BP 120/80, temp. 37.5\N{DEGREE SIGN}C, HR ~90
        bpm.""",
}


def texts_of(rule: str) -> list[str]:
    """The texts of a rule, each on one line."""
    texts = []
    for text in RULES[rule].replace(";;;", ";\0;;").split(";;"):
        line = " ".join(text.replace("\0", "").split())
        texts.append(_with_characters(line))
    return texts


def _with_characters(text: str) -> str:
    """Read `\\N{...}`, `\\u....` and `\\t`, and leave other backslashes alone."""
    if not any(mark in text for mark in ("\\N{", "\\u", "\\t")):
        return text
    return "".join(
        part if ord(part[0]) > 0x7E else part.encode("ascii").decode("unicode_escape")
        for part in _runs(text)
    )


def _runs(text: str) -> list[str]:
    """Cut before and behind everything that is not ASCII."""
    runs: list[str] = []
    for character in text:
        if ord(character) > 0x7E or not runs or ord(runs[-1][0]) > 0x7E:
            runs.append(character)
        else:
            runs[-1] += character
    return runs


def tokenize(texts: list[str]) -> list[str]:
    """Run the Java tool once. A line between two texts keeps each from peeking at the next."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".txt") as file:
        file.write("\n".join(f"{text}\nnext" for text in texts))
        file.flush()
        tool = "edu.stanford.nlp.process.PTBTokenizer"
        command = ["java", "-cp", str(JAR), tool, "-preserveLines", "-lowerCase", file.name]
        lines = subprocess.run(command, check=True, capture_output=True).stdout.decode("utf-8")
    kept = [
        " ".join(word for word in line.rstrip().split(" ") if word not in PUNCTUATIONS)
        for line in lines.split("\n")
    ][::2]
    if len(kept) != len(texts):
        raise SystemExit(f"{len(texts)} texts went in, {len(kept)} lines came out")
    return kept


def main() -> None:
    """Write the golden file anew."""
    cases = [(rule, text) for rule in RULES for text in texts_of(rule)]
    cases = list(dict.fromkeys(cases))
    tokens = tokenize([text for _, text in cases])
    golden = [
        {"rule": rule, "text": text, "tokens": kept}
        for (rule, text), kept in zip(cases, tokens, strict=True)
    ]
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in golden)
    GOLDEN.write_text(f"[\n{lines}\n]\n", "utf-8")
    print(f"{len(golden)} cases of {len(RULES)} rules")


if __name__ == "__main__":
    main()
