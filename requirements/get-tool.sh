#!/bin/sh
# Prints the path of a foreign tool that the tests use, kcat or curl: the one on PATH, else one unpacked from this
# Debian's own packages into the user's cache. Needs no root and installs nothing; where the machine's package lists
# are missing or stale, it fetches lists of its own. Otherwise: one sentence and exit code 1.
set -eu

tool=$1
if command -v "$tool"; then
    exit 0
fi
cache=${XDG_CACHE_HOME:-$HOME/.cache}/gridpulse/$tool
if [ -x "$cache/$tool" ]; then
    echo "$cache/$tool"
    exit 0
fi

fail() {
    echo "The tests need $tool: apt install $tool ($1)." >&2
    exit 1
}

for needed in apt-get dpkg-deb; do
    command -v $needed >/dev/null || fail "it can't be fetched here, there is no $needed"
done
mkdir -p "$cache"
work=$(mktemp -d "$cache/new.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

apt() {
    apt-get -qq -o Acquire::Retries=3 -o Acquire::http::Timeout=30 "$@"
}

# The tool and those of its libraries that this machine lacks, as apt would install them.
download() {
    apt --no-install-recommends "$@" -s install "$tool" >plan 2>log || return 1
    packages=$(sed -n 's/^Inst \([^ ]*\) .*/\1/p' plan)
    # shellcheck disable=SC2086
    apt "$@" download $packages >>log 2>&1
}

if ! download; then
    mkdir -p lists/partial archives/partial
    apt -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work" update >log 2>&1 ||
        fail "apt-get update fails: $(tail -n 1 log)"
    rm -f ./*.deb
    download -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work" || fail "apt-get fails: $(tail -n 1 log)"
fi
for package in ./*.deb; do
    dpkg-deb -x "$package" root
done
libraries=$(find root -name '*.so*' -exec dirname {} + | sort -u | sed "s|^|$cache/|" | tr '\n' ':')
cat >start <<END
#!/bin/sh
LD_LIBRARY_PATH='${libraries%:}' exec '$cache/root/usr/bin/$tool' "\$@"
END
chmod +x start
rm -rf "$cache/root"
mv root "$cache/root"
./start --help >log 2>&1 || ./start -V >log 2>&1 || fail "the one of this Debian does not run: $(tail -n 1 log)"
mv start "$cache/$tool"
echo "$cache/$tool"
