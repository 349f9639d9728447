# shellcheck shell=bash
# Sourced by the scripts beside it: says what is under way and how long it took.
# A command's own output goes to .setup/log/ and is shown only when the command fails.

logs=.setup/log
mkdir -p "$logs"
ticker=

if [ -t 1 ] && [ -z "${CI:-}" ]; then in_terminal=yes; else in_terminal=; fi

# die MESSAGE: one line, and the end.
die() {
  printf '%s\n' "$*" >&2
  exit 1
}

# What succeeds in less than this is not worth a line.
: "${shown_from_ms:=0}"

now_ms() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }

# watch TITLE: after a second say that TITLE is under way, then for how long: in a terminal every
# second in one line, in a log as a line now and then.
watch() {
  local title=$1 start='\r' end='' pause=1 seconds=1
  if [ -z "$in_terminal" ]; then start='' end='\n' pause=30; fi
  # The sleep outlives a killed subshell, so it must not hold the reader of our output.
  {
    sleep 1 >/dev/null 2>&1 || exit
    while kill -0 $$ 2>/dev/null; do
      printf "$start%s … %d s$end" "$title" "$seconds"
      sleep "$pause" >/dev/null 2>&1 || exit
      seconds=$((seconds + pause))
    done
  } &
  ticker=$!
}

stop_watch() {
  [ -z "$ticker" ] || { kill "$ticker" && wait "$ticker"; } 2>/dev/null
  ticker=
}
trap stop_watch EXIT

# attempt NAME TITLE COMMAND...: run COMMAND, its output in $logs/NAME, and say how long it took;
# of a failure only the status is returned, and what to say of it is the caller's business.
attempt() {
  local name=$1 title=$2 status=0 started_ms took_ms
  shift 2
  started_ms=$(now_ms)
  watch "$title"
  "$@" >"$logs/$name" 2>&1 </dev/null || status=$?
  stop_watch
  took_ms=$(($(now_ms) - started_ms))
  [ -z "$in_terminal" ] || printf '\r\033[K'
  if [ "$status" -eq 0 ] && [ "$took_ms" -ge "$shown_from_ms" ]; then
    printf '%s: done, %d.%d s\n' "$title" $((took_ms / 1000)) $((took_ms % 1000 / 100))
  fi
  return "$status"
}

# show_failure NAME TITLE: what went wrong in an attempt.
show_failure() {
  printf '%s: failed\n' "$2"
  cat "$logs/$1"
}

# step NAME TITLE COMMAND...: as attempt, but a failure is shown and ends the script.
step() {
  attempt "$@" && return
  show_failure "$@" >&2
  exit 1
}
