"""Made-up private texts of every known form, put together from pieces: nothing here is anybody's, and no
scanner of this repository takes it for a secret."""

from __future__ import annotations

import random
import string

LETTERS = string.ascii_letters + string.digits


def chars(count: int, alphabet: str = LETTERS) -> str:
    """Always the same characters, a digit among the first."""
    return "7" + "".join(random.Random(count).choices(alphabet, k=count - 1))


def pem(kind: str, between: str = "\n", before: str = "") -> str:
    """A private key with ``between`` for the ends of lines, and ``before`` in front of each."""
    lines = [f"-----BEGIN {kind}PRIVATE" + " KEY-----", *[chars(64)] * 6, f"-----END {kind}PRIVATE" + " KEY-----"]
    return between.join(before + line for line in lines)


WITHIN = {
    "anthropic-key": "sk-" + "ant-api03-" + chars(60),
    "openai-key": "sk-" + chars(48),
    "openai-key (project)": "sk-" + "proj-" + chars(60),
    "aws-key-id": "AKI" + "A" + chars(16, string.ascii_uppercase + string.digits),
    "github-token": "gh" + "p_" + chars(36),
    "github-token (oauth)": "gh" + "o_" + chars(36),
    "github-token (fine)": "github_" + "pat_" + chars(22) + "_" + chars(59),
    "gitlab-token": "gl" + "pat-" + chars(20),
    "slack-token": "xox" + "b-" + "123456789012-" + chars(24),
    "google-key": "AI" + "za" + chars(35),
    "stripe-key": "sk_" + "live_" + chars(24),
    "stripe-key (restricted)": "rk_" + "live_" + chars(24),
    "npm-token": "np" + "m_" + chars(36),
    "pypi-token": "py" + "pi-AgEIcHlwaS5vcmc" + chars(60),
    "huggingface-token": "h" + "f_" + chars(34),
    "jwt": ".".join(("ey" + "J" + chars(20), "ey" + "J" + chars(40), chars(43))),
    "private-key": pem("RSA "),
    "private-key (escaped)": pem("", "\\n"),
    "private-key (numbered)": pem("OPENSSH ", "\n", "    12→"),
    "private-key (removed)": pem("EC ", "\n", "-"),
}
"""Name in the counts -> a secret that gives itself away wherever it stands."""

AROUND = {
    "aws-secret-key": ("aws_secret_access_key = ", chars(40, LETTERS + "/+"), ""),
    "url-credentials": ("https://", "ana:" + chars(9), "@example.org/x"),
    "url-credentials (database)": ("postgres://", "app:p@ss/" + chars(6), "@db:5432/x"),
    "url-credentials (token)": ("https://", chars(40), "@example.org/x.git"),
    "url-credentials (curl)": ("curl -s -u ", "ana:" + chars(9), " https://example.org"),
    "authorization": ("Authorization: Bearer ", chars(30), ""),
    "authorization (basic)": ("-H 'authorization: Basic ", chars(20), "'"),
    "assigned-secret": ("password=", "hunter2", ""),
    "assigned-secret (quoted)": ('password = "', "correcthorse", '"'),
    "assigned-secret (environment)": ("export DB_PASSWORD=", "s3cr3tpw", "\nexport X=1"),
    "assigned-secret (yaml)": ("api_key: ", "9f8e7d6c5b4a", "\n"),
    "assigned-secret (json)": ('{"apiKey": "', "abcdef123", '"}'),
    "assigned-secret (json in json)": ('{\\"client_secret\\":\\"', "abcdef123", '\\"}'),
    "assigned-secret (flag)": ("mysql --password ", "hunter2x", " -u root"),
    "assigned-secret (index)": ("os.environ['API_KEY'] = '", "abcdefgh", "'"),
}
"""Name -> what stands before a secret and gives it away, the secret, and what stands behind it."""

STAYS = (
    "password = input()",
    "def login(password: str, token: str | None = None): ...",
    "login(password=password, token=self.token)",
    "token = get_token()",
    "api_key = settings.API_KEY_2",
    "password = os.environ['PASSWORD']",
    "secret: ${{ secrets.DEPLOY }}",
    "postgres://{user}:{password}@{host}/x",
    "https://example.org:8080/a@b",
    "the password is required, and so is the token",
    "password: '***'",
    "password: <your password>",
    "PASSWORD_RESET_TIMEOUT = 3600",
    '"input_tokens": 123456, "output_tokens": 12, "max_tokens": 4096',
    "secrets.token_hex(16)",
    "tokenizer = AutoTokenizer.from_pretrained('x1234567')",
    "Bearer authentication is used here",
    "if '-----BEGIN PRIVATE" + " KEY-----' in text: pass",
    "task-0a1b2c3d4e5f6a7b8c9d0e1f2a3b",
    "toolu_01AbCdEfGhIjKlMnOpQrStUv",
    "scikit-learn, sk-learn and risk-" + "antelopes",
    "d1c2b3a4-1111-4222-8333-abcdefabcdef",
    "commit " + chars(40, "0123456789abcdef"),
    "sha512-" + chars(86) + "==",
    "git@github.com:ana/app.git, icon@2x.png, lodash@4.17.21, @anthropic-ai/sdk",
    "/users/42, my-home-page, --home-dir=x, /Users/Shared/x",
    "Saluton, mondo! ☃ 🎉",
)
"""What looks like something private, and is nothing of the kind."""
