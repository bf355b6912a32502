"""What the audit hides of command lines: secrets by their kind, wherever they stand; and leaves of what is none."""

import shlex
import time

import pytest
from hypothesis import example, given, strategies as st
from support.in_one_test import in_one_test

from omnyshell.services.hub.audit.commands import audited_command
from omnyshell.services.hub.audit.secrets import is_secret, mask_line, mask_words
from omnyshell.services.hub.ground.audit_settings import AuditedCommands

MARK = "S3cr3tValue"

KINDS = {
    "PW=$ mysql": "PW=*** mysql",
    "export PW=$": "export PW=***",
    "export A=$ B=$; run": "export A=*** B=***; run",
    "declare -x ANY=$": "declare -x ANY=***",
    "cd /x && ANY=$ run": "cd /x && ANY=*** run",
    "a | ANY=$ b": "a | ANY=*** b",
    "(ANY=$ run)": "(ANY=*** run)",
    "echo `ANY=$ run`": "echo `ANY=*** run`",
    "echo $(ANY=$ run)": "echo $(ANY=*** run)",
    "if ANY=$ run; then ANY=$ x; fi": "if ANY=*** run; then ANY=*** x; fi",
    "sudo ANY=$ run": "sudo ANY=*** run",
    "sudo -u root -E ANY=$ run": "sudo -u root -E ANY=*** run",
    "sudo env ANY=$ run": "sudo env ANY=*** run",
    "nice -n 5 env -i ANY=$ run": "nice -n 5 env -i ANY=*** run",
    "set -x PASSWORD $": "set -x PASSWORD ***",
    "setenv ANY $": "setenv ANY ***",
    "run --password=$": "run --password=***",
    "run --password $": "run --password ***",
    "run --db-password=$ --verbose": "run --db-password=*** --verbose",
    "run -password $": "run -password ***",
    "run --apiKey=$": "run --apiKey=***",
    "run --api-key $ x": "run --api-key *** x",
    "java -Ddb.password=$ -jar x": "java -Ddb.password=*** -jar x",
    "docker run -e DB_PASSWORD=$ image": "docker run -e DB_PASSWORD=*** image",
    "docker login -u me -p $ host": "docker login -u me -p *** host",
    "kubectl create secret generic x --from-literal=token=$": (
        "kubectl create secret generic x --from-literal=token=***"
    ),
    "mysql -uroot -p$ db": "mysql -uroot -p*** db",
    "docker exec db mysqldump -p$ db": "docker exec db mysqldump -p*** db",
    "anything -p$9X": "anything -p***",
    "sshpass -p $ ssh host": "sshpass -p *** ssh host",
    "redis-cli -a $ ping": "redis-cli -a *** ping",
    "ldapsearch -w $ -x": "ldapsearch -w *** -x",
    "curl -u me:$ https://h": "curl -u me:*** https://h",
    "curl -sku me:$ https://h": "curl -sku me:*** https://h",
    "curl --user me:$ https://h": "curl --user me:*** https://h",
    "smbclient -U me%$ //h/s": "smbclient -U me%*** //h/s",
    "curl https://me:$@host:8080/x": "curl https://me:***@host:8080/x",
    "git clone https://$$@github.com/x": "git clone https://***@github.com/x",
    "psql postgres://me:$@h/db?sslmode=off": "psql postgres://me:***@h/db?sslmode=off",
    "curl 'https://h/?token=$&x=1'": "curl 'https://h/?token=***&x=1'",
    "curl -H 'Authorization: Bearer $' h": "curl -H 'Authorization: ***' h",
    'curl -H "X-Api-Key: $" h': "curl -H 'X-Api-Key: ***' h",
    "curl -H Authorization:$ h": "curl -H Authorization:*** h",
    "echo Authorization: Bearer $ x": "echo Authorization: Bearer *** x",
    "curl --cookie 'a=$' h": "curl --cookie *** h",
    """curl -d '{"me": 2, "password": "$", "x": 1}' h""": """curl -d '{"me": 2, "password": ***, "x": 1}' h""",
    "curl -d 'user=me&password=$' h": "curl -d 'user=me&password=***' h",
    "echo password = $": "echo password = ***",
    'test "$PASSWORD" = $': 'test "$PASSWORD" = ***',
    "openssl rsa -passin pass:$ -in x": "openssl rsa -passin pass:*** -in x",
    "STRIPE_KEY=$ run": "STRIPE_KEY=*** run",
    "run STRIPE_KEY=$": "run STRIPE_KEY=***",
    "run ghp_$$": "run ***",
    "run AWS AKIA$$": "run AWS ***",
    "run eyJ$$.$.$": "run ***",
    "ssh-add - <<< '-----BEGIN OPENSSH PRIVATE KEY-----\n$'": "ssh-add - <<< ***",
}


def filled(template: str, secret: str) -> str:
    """Put a secret into each `$` that begins no name or command of a shell."""
    shell = ("$(", "$PASSWORD")
    for number, text in enumerate(shell):
        template = template.replace(text, f"\0{number}")
    template = template.replace("$", secret)
    for number, text in enumerate(shell):
        template = template.replace(f"\0{number}", text)
    return template


def test_what_lies_too_deep_is_hidden() -> None:
    line = f"run {MARK} x"
    for _ in range(9):
        line = shlex.join(["sh", "-c", line])
    assert MARK not in mask_line(line)


@in_one_test("template", KINDS)
def test_each_kind_is_hidden_and_the_rest_is_kept(template: str) -> None:
    assert mask_line(filled(template, MARK)) == KINDS[template]


WRAPPERS = [
    lambda line: line,
    lambda line: f"true && {line}",
    lambda line: f"{line} ; true",
    lambda line: f"sudo {line}",
    lambda line: f"sh -c {shlex.quote(line)}",
    lambda line: f"bash -lc {shlex.quote(line)} x",
    lambda line: f"ssh host {shlex.quote(line)}",
    lambda line: f"docker exec x sh -c {shlex.quote('sudo ' + line)}",
    lambda line: f"ssh host {shlex.quote(f'sh -c {shlex.quote(line)}')}",
    lambda line: 'sh -c "' + line.replace("\\", "\\\\").replace('"', '\\"').replace("`", "\\`") + '"',
    lambda line: f"eval {line}",
]
values = st.builds(lambda a, b: a + MARK + b, st.text("aZ9_+.-", max_size=6), st.text("aZ9_+.-", max_size=6))


@given(st.sampled_from(list(KINDS)), st.sampled_from(WRAPPERS), st.sampled_from(WRAPPERS), values)
def test_no_secret_is_kept_wherever_a_command_stands(template, inner, outer, value) -> None:  # type: ignore[no-untyped-def]
    line = outer(inner(filled(template, value)))
    assert MARK not in mask_line(line)
    assert MARK not in audited_command("sh", ["-c", line], AuditedCommands.FULL)


NAMED = [
    "password",
    "DB_PASS",
    "my-secret",
    "apiToken",
    "x.credentials",
    "SESSION_TOKEN",
    "http_auth",
    "Cookie",
    "PGPASSWORD",
]


@given(
    st.sampled_from(NAMED),
    st.sampled_from(["--{}={}", "-{}={}", "{}={}", "{}:{}", "{}: {}", "x,{}={}", '{{"{}":"{}"}}', "?{}={}"]),
    st.text().map(lambda text: text + MARK),
    st.lists(st.sampled_from(["run", "-v", "a b", "x=y", "--"]), max_size=3),
)
def test_whatever_stands_beside_a_name_of_secrets_is_hidden(
    name: str, form: str, value: str, before: list[str]
) -> None:
    word = form.format(name, value.replace('"', "") if '"' in form else value)
    if "?" in form and set(value) & set("&#"):
        # A query has neither in a value.
        return
    if form == "{}:{}" and value.startswith("/"):
        # A path.
        return
    assert MARK not in " ".join(mask_words([*before, word]))
    assert MARK not in mask_line(" ".join(map(shlex.quote, [*before, word])))


KEPT = [
    "ls -la /tmp", "cat a | grep 'b c'", "mkdir -p a/b", "ssh -p22 host", "ssh -p 22 host",
    "docker run -p8080:80 x", "docker run -p 8080:80 x",
    "find . -path './x' -print -prune", "cp -pr a b", "make CC=gcc -j4", "dd if=/dev/zero of=/x bs=1M", "tar -pxf x",
    "git commit -m 'change the password of bob'", "git log --author=x --since=1.week", "sort --key=2 file",
    "ssh-keygen -f key -t ed25519", "run --token-file=/run/token", "run --password-stdin", "run --no-password x",
    "docker run -v /secrets:/secrets:ro x", "curl http://host:80/a@b", "curl https://git@host/x", "rsync host:/a b",
    "echo $HOME \"$X\" '$Y'", "test -n \"$TOKEN\"", "awk '{print $1}' x", "echo 'it''s' \"a \\\" b\"", "a=b", "",
    "passwd bob", "kubectl get secret x", "mysql -u root -h host db", "curl -u me https://h", "gpg --public-key x",
    "psql 'host=x user=y'", "x --keys a", "monkey --monkey=1", "compass --bypassed=2", "apt install passwordless",
]  # fmt: skip


@in_one_test("line", [line for line in KEPT if line != "a=b"])
def test_what_is_no_secret_is_kept_to_the_letter(line: str) -> None:
    assert mask_line(line) == line


SECRETS = (
    "password PGPASSWORD dbPassword X-Auth-Token AWS_SECRET_ACCESS_KEY access_key API_KEY MASTER_KEY pw user_pw pass"
    " client_secret Authorization Proxy-Authorization cookie clientSecret GITHUB_PAT"
)
NO_SECRETS = (
    "key sort-key monkey author passenger AWS_ACCESS_KEY_ID TOKEN_FILE public-key compass pwned spin é path host -"
    " no-password passwordfile-name keyboard"
)


@in_one_test("name", SECRETS.split())
def test_names_of_secrets(name: str) -> None:
    assert is_secret(name)


@in_one_test("name", ["", *NO_SECRETS.split()])
def test_names_of_anything_else(name: str) -> None:
    assert not is_secret(name)


@given(st.text("aZ9@/%.-+:~", max_size=8), st.text("aZ9@/%.-+~", max_size=8))
def test_no_password_in_a_url_is_kept(before: str, after: str) -> None:
    assert MARK not in mask_line(f"psql postgres://me:x{before}{MARK}{after}@host/db")


@given(st.text() | st.text("ab'\"\\ $`(){}=:;&|-\n@/?", max_size=60))
@example("\\")
@example("$'\\")
def test_any_line_is_taken_whole(line: str) -> None:
    """Nothing is lost, and nothing is made up: what has no secret comes back as it is."""
    masked = mask_line(line)
    if "***" not in masked:
        assert masked == line


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize(
    "part",
    ["'", '"', "\\", "(", "password=", "--password ", "$'", "a:", "://", "x@", "-p", "eyJ", "a='b c ", "sudo ", "\"'"],
)
def test_no_line_takes_long(part: str) -> None:
    line = (part * 1025)[:1025]
    before = time.process_time()
    mask_line(line)
    mask_words([line])
    assert time.process_time() - before < 1
