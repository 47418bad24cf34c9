# Sourced by the scripts beside it: long work in named steps, quiet unless it fails.
# The sourcing script sets `log`, the file that takes the output of quiet steps.

# As many compilers as cores; ninja's own choice is two more, which memory may not hold.
export CMAKE_BUILD_PARALLEL_LEVEL=${CMAKE_BUILD_PARALLEL_LEVEL:-$(nproc)}
if [[ -z ${CMAKE_CXX_COMPILER_LAUNCHER:-} ]] && command -v ccache >/dev/null; then
  export CMAKE_CXX_COMPILER_LAUNCHER=ccache
fi

# show_progress TITLE: until it is killed, how far ninja is by the log, or the seconds that went by, on the title's line.
show_progress() {
  local start=$SECONDS at
  while sleep 1; do
    at=$(tail -c 2000 "$log" | grep -oE '^\[[0-9]+/[0-9]+\]' | tail -n 1 || true)
    printf '\r%-58s %s' "$1 ..." "${at:-$((SECONDS - start)) s}"
  done
}

# quiet TITLE COMMAND...: runs with the output in the log, and on a terminal a line that shows how far it is; on failure shows the log's end
# and exits.
quiet() {
  local title=$1 start=$SECONDS code=0 progress=
  shift
  printf '%-58s' "$title ..."
  printf '\n== %s\n' "$title" >>"$log"
  if [[ -t 1 ]]; then
    show_progress "$title" &
    progress=$!
  fi
  "$@" >>"$log" 2>&1 </dev/null || code=$?
  if [[ -n $progress ]]; then
    kill "$progress"
    wait "$progress" 2>/dev/null || true
    printf '\r\033[K%-58s' "$title ..."
  fi
  if [[ $code != 0 ]]; then
    printf ' failed after %d s\n' $((SECONDS - start))
    tail -n 60 "$log"
    printf '%s failed (exit %d); the whole log: %s\n' "$title" "$code" "$log"
    exit "$code"
  fi
  printf ' %4d s\n' $((SECONDS - start))
}

# loud TITLE COMMAND...: runs with the output shown; exits on failure.
loud() {
  local title=$1 start=$SECONDS code=0
  shift
  printf '\n== %s\n' "$title"
  "$@" </dev/null || code=$?
  if [[ $code != 0 ]]; then
    printf '== %s: failed after %d s (exit %d)\n' "$title" $((SECONDS - start)) "$code"
    exit "$code"
  fi
  printf '== %s: %d s\n' "$title" $((SECONDS - start))
}

# install_dependencies OPTIONS...: on a system it does not know it says so, and the build is tried with what is there.
install_dependencies() {
  local code=0
  "$root/scripts/install-dependencies" "$@" || code=$?
  [[ $code == 0 || $code == 3 ]] || return "$code"
}
