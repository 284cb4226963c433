/**
 * The program that cleans up after a process that has crashed: kills what it had started, and removes its folders.
 *
 * It is a shell script in a string: it has to run beside sources and beside compiled code alike, where Node 20 can start
 * no TypeScript, and takes 1 MB and 2 ms where Node takes 40 MB and 90 ms.
 *
 * The parent holds the other end of standard input. When it ends, in whatever way, the system closes the pipe. Until then
 * the script is told, one line each, `watch <pid> <start>` and `folder <path>`; a last line cut short is left out.
 * It needs no word when a process has ended: id and start time together are never used again.
 *
 * @module
 */

/** What `/bin/sh` runs. */
export const watchdogScript = `
# The terminal's signals reach the parent, which decides what becomes of everything.
trap '' INT TERM HUP

# Finds state, parent and start of a process; fails when it has ended, also when nobody has collected it yet.
look() {
  if [ -e /proc/self/stat ]; then
    IFS= read -r stat <"/proc/$1/stat" || return 1
    # The command in it may hold spaces and parentheses.
    set -- \${stat##*) }
    state=$1 parent=$2 start=\${20}
  else
    set -- $(ps -o stat=,ppid=,lstart= -p "$1")
    [ $# -gt 2 ] || return 1
    state=$1 parent=$2
    shift 2
    start=$*
  fi
  case $state in Z* | X*) return 1 ;; esac
}

all() {
  if [ -e /proc/self/stat ]; then (cd /proc && echo [0-9]*); else ps -A -o pid=; fi
}

# Kills a process with its children, paused or not, and waits until it is gone.
end() {
  look "$1" && [ "$start" = "$2" ] || return
  children=
  for pid in $(all); do
    look "$pid" && [ "$parent" = "$1" ] && children="$children $pid"
  done
  kill -KILL "$1" $children
  while look "$1" && [ "$start" = "$2" ]; do sleep 0.02; done
}

watched= folders=
while read -r order rest; do
  case $order in
    watch) watched="$watched$rest
" ;;
    folder) folders="$folders$rest
" ;;
  esac
done
printf %s "$watched" | while read -r pid start; do end "$pid" "$start"; done
printf %s "$folders" | while read -r folder; do
  for attempt in 1 2 3 4 5; do rm -rf "$folder" && break; sleep 0.1; done
done
`
