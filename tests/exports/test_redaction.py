"""What is masked, what stays, and what people may write to mask more."""

from __future__ import annotations

import base64
import random
import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exports.choices import SECRETS, build_choices
from exports.filters import BadFilter
from exports.patterns import KINDS
from exports.redaction import MOST_WORK, Masker, check_patterns
from tests.exports.secrets import AROUND, STAYS, WITHIN

SURROUNDINGS = ("{}", "see {} there", '"{}"', "x={}\n", "\n{}\n", "out\\n{}", "\\u001b[32m{}\\u001b[0m", "\x1b[32m{}\x1b[0m", "☃{}☃")


def kind(name: str) -> str:
    return name.partition(" ")[0]


class TestSecrets:
    @pytest.mark.parametrize("name", WITHIN)
    @pytest.mark.parametrize("around", SURROUNDINGS)
    def test_a_secret_of_a_known_form_is_masked_wherever_it_stands(self, name: str, around: str) -> None:
        masker = Masker(["secrets"])
        masked = masker.mask(around.format(WITHIN[name]))
        assert WITHIN[name][8:] not in masked
        assert f"[redacted:{kind(name)}]" in masked
        assert masker.counts[kind(name)] == 1

    @pytest.mark.parametrize("name", AROUND)
    def test_a_secret_that_its_surroundings_give_away_is_masked_and_they_stay(self, name: str) -> None:
        before, secret, after = AROUND[name]
        assert Masker(["secrets"]).mask(before + secret + after) == f"{before}[redacted:{kind(name)}]{after}"

    @pytest.mark.parametrize("text", STAYS)
    def test_what_only_looks_private_stays(self, text: str) -> None:
        assert Masker(SECRETS).mask(text) is text

    def test_a_picture_stays(self) -> None:
        text = base64.b64encode(random.Random(1).randbytes(2_000_000)).decode()
        masker = Masker(SECRETS)
        assert masker.mask(text) is text
        assert not masker.counts

    @pytest.mark.parametrize("name", ["password", "db_password", "apiKey", "ACCESS-TOKEN", "clientSecret", "api_key"])
    def test_the_value_of_a_member_that_is_called_like_a_secret_is_masked(self, name: str) -> None:
        masked = Masker(["secrets"]).mask_value({"env": {name: "correct horse", "other": "correct horse"}})
        assert masked == {"env": {name: "[redacted:assigned-secret]", "other": "correct horse"}}

    def test_a_mask_is_not_masked_again(self) -> None:
        masker = Masker(SECRETS)
        once = masker.mask(" ".join(WITHIN.values()) + " password=hunter2 ana@example.org /home/ana/x -home-ana-x")
        assert masker.mask(once) is once


class TestEmailsAndHomes:
    @pytest.mark.parametrize(
        "text",
        ["ana@example.org", "Ĝis.Ĉiam+x@ekzemplo.eo", "ana%40example.org", "a\\u0040example.org".replace("a", "ana", 1)],
    )
    def test_an_address_is_masked(self, text: str) -> None:
        assert Masker(["emails"]).mask(f"<{text}>, {text}") == "<[redacted:email]>, [redacted:email]"

    @pytest.mark.parametrize(
        ("path", "masked"),
        [
            ("/home/ana/app", "/home/[redacted:home]/app"),
            ("cd /Users/Ana.Maria", "cd /Users/[redacted:home]"),
            (r"C:\Users\Ana Maria\x and", r"C:\Users\[redacted:home]\x and"),
            (r"C:\\Users\\ana\\x", r"C:\\Users\\[redacted:home]\\x"),
            ("c:/users/ana/y", "c:/users/[redacted:home]/y"),
            ("file:///home/ana", "file:///home/[redacted:home]"),
            ("%2Fhome%2Fana%2Fx", "%2Fhome%2F[redacted:home]%2Fx"),
            ("projects/-home-ana-app/x.jsonl", "projects/-home--redacted-home--app/x.jsonl"),
            ("-Users-ana", "-Users--redacted-home-"),
            ("C--Users-ana-app", "C--Users--redacted-home--app"),
            ("-mnt-c-Users-ana-app", "-mnt-c-Users--redacted-home--app"),
            ("history-home-ana-app", "history-home--redacted-home--app"),
        ],
    )
    def test_the_name_of_a_home_is_masked_and_the_rest_stays(self, path: str, masked: str) -> None:
        assert Masker(["paths"]).mask(path) == masked

    def test_where_a_name_ends_in_a_slug_is_told_by_a_path_that_was_met(self) -> None:
        masker = Masker(["paths"])
        assert masker.mask("-home-ada-maria-shop") == "-home--redacted-home--maria-shop", "nobody knows yet"
        masker.mask("/home/ada.maria/shop")
        assert masker.mask("-home-ada-maria-shop -home-ana-shop") == "-home--redacted-home--shop -home--redacted-home--shop"

    @pytest.mark.parametrize("asked", [["secrets"], ["emails"], ["paths"]])
    def test_only_what_is_asked_for_is_masked(self, asked: list[str]) -> None:
        masker = Masker(asked)
        masker.mask(f"{WITHIN['anthropic-key']} ana@example.org /home/ana/x")
        assert set(masker.counts) <= {pattern.name for pattern in KINDS[asked[0]]}
        assert masker.counts.total() == 1


class TestOwnPatterns:
    def test_they_are_called_by_their_number_and_counted(self) -> None:
        masker = Masker((), ["ACME-[0-9]+", "(?i)projekto (sekreta)"])
        assert masker.mask("ACME-12 kaj Projekto Sekreta") == "[redacted:pattern-1] kaj [redacted:pattern-2]"
        assert masker.counts == Counter({"pattern-1": 1, "pattern-2": 1})

    def test_one_that_breaks_a_secret_apart_does_not_save_the_rest_of_it(self) -> None:
        secret = WITHIN["anthropic-key"]
        assert Masker(["secrets"], ["ant"]).mask(f"x {secret} y") == "x [redacted:anthropic-key] y"

    def test_those_that_overlap_leave_nothing_of_either(self) -> None:
        assert Masker((), ["foo bar", "bar baz"]).mask("foo bar baz") == "[redacted:pattern-1]"

    def test_an_anchor_sees_the_ends_of_each_text(self) -> None:
        masked = Masker((), ["^a+$"]).mask_value({"x": ["aaa", "baaa"], "aa": 1})
        assert masked == {"x": ["[redacted:pattern-1]", "baaa"], "[redacted:pattern-1]": 1}

    @pytest.mark.parametrize(
        ("pattern", "complaint"),
        [
            ("a(b", "missing ): a(b, at character 1"),
            (r"(\w)\1", r"invalid escape sequence: \1, at character 5"),
            ("x(?=a)", "invalid perl operator: (?=, at character 2"),
            ("a{5000}", "invalid repetition size: {5000}, at character 2"),
            ("a*", "matches where nothing stands"),
            ("$", "matches where nothing stands"),
        ],
    )
    def test_one_that_cannot_be_meant_is_refused_by_name(self, pattern: str, complaint: str) -> None:
        with pytest.raises(BadFilter) as refused:
            build_choices({"patterns": ["fine", pattern]})
        assert refused.value.field == "patterns"
        assert complaint in str(refused.value)
        assert refused.value.hint

    def test_too_many_or_too_long_ones_are_refused(self) -> None:
        with pytest.raises(BadFilter, match="51 are too many"):
            build_choices({"patterns": [f"x{number}" for number in range(51)]})
        with pytest.raises(BadFilter, match="too long"):
            build_choices({"patterns": ["x" * 513]})
        with pytest.raises(BadFilter, match="513 characters"):
            check_patterns(["x" * 513])

    def test_an_evil_pattern_ends_soon_and_masks_too_much_rather_than_too_little(self) -> None:
        masker = Masker((), ["a(?s:.*b)?"])
        begun = time.monotonic()
        masked = masker.mask("a" * 500_000)
        assert time.monotonic() - begun < 60, "all of it would take half an hour"
        assert "aa" not in masked
        assert masker.counts["pattern-1"] <= MOST_WORK // 500_000 + 1

    def test_a_known_form_is_masked_however_often_it_stands_there(self) -> None:
        masker = Masker(["emails"])
        assert masker.mask("ana@example.org, " * 30_000) == "[redacted:email], " * 30_000
        assert masker.counts["email"] == 30_000

    def test_those_that_are_too_large_together_are_refused(self) -> None:
        with pytest.raises(BadFilter, match="together they are too large"):
            build_choices({"patterns": [rf"[\p{{L}}\p{{N}}]{{1,100}}x{number}" for number in range(20)]})

    def test_where_one_pass_cannot_tell_each_pattern_is_looked_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("exports.redaction._Which._matched", lambda which, data: ())
        masker = Masker(["secrets"])
        assert not masker.is_quick
        assert masker.mask(WITHIN["github-token"]) == "[redacted:github-token]"


class TestValues:
    def test_every_text_is_masked_names_of_members_too(self) -> None:
        secret = WITHIN["github-token"]
        value = {"a": [secret, {"b": {secret: [1, None, True, 2.5, f"x {secret}"]}}], "ana@example.org": "x"}
        masked = Masker(SECRETS).mask_value(value)
        mark = "[redacted:github-token]"
        assert masked == {"a": [mark, {"b": {mark: [1, None, True, 2.5, f"x {mark}"]}}], "[redacted:email]": "x"}

    def test_members_that_would_have_the_same_name_are_all_kept(self) -> None:
        masked = Masker(["emails"]).mask_value({"ana@example.org": 1, "bea@example.org": 2})
        assert masked == {"[redacted:email]": 1, "[redacted:email] 2": 2}

    def test_what_holds_nothing_private_is_the_very_same_object(self) -> None:
        value = {"password": "", "x": ["password = input()", {"y": "token"}], "token": None}
        assert Masker(SECRETS).mask_value(value) is value

    def test_halves_of_characters_are_no_hindrance(self) -> None:
        assert Masker(["emails"]).mask("\ud83d ana@example.org \ude00") == "\ud83d [redacted:email] \ude00"

    @given(st.recursive(st.text() | st.none() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
    def test_looking_at_all_texts_together_finds_what_looking_at_each_finds(self, value: object) -> None:
        together, alone = Masker(SECRETS, [r"\d\d", "b."]), Masker(SECRETS, [r"\d\d", "b.", "^zzz"])
        assert together.mask_value(value) == alone.mask_value(value)
