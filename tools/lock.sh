#!/bin/sh
# Writes constraints.txt: one tested version of every package, for Python 3.10 and later, from settings.ini.
# Run it by hand when requirements change, then `make test`. Wants uv (`pip install uv`) on the path or named by UV.
set -eu
cd "$(dirname "$0")/.."
list=$(mktemp); trap 'rm -f "$list" "$list.out"' EXIT
"${PYTHON:-python3}" - > "$list" <<'P'
from configparser import ConfigParser
config = ConfigParser(delimiters=['='])
config.read('settings.ini', encoding='utf-8')
cfg = config['DEFAULT']
wanted = {r for key in cfg if key == 'requirements' or key.endswith('_requirements') for r in cfg[key].split()}
print('\n'.join([*sorted(wanted), 'setuptools', 'wheel']))
P
${UV:-uv} pip compile --quiet --universal --python-version 3.10 --index-strategy unsafe-best-match \
    --no-annotate --no-header "$@" "$list" --output-file "$list.out"
{
    echo "# Tested versions for Python 3.10 and later, written by tools/lock.sh. torch is pinned without a build tag, so that"
    echo "# the same line means the CUDA build or the CPU build, whichever is found; the CUDA libraries follow torch's own pins."
    grep -v -E '^(nvidia-|cuda-|triton)' "$list.out"
} > constraints.txt
