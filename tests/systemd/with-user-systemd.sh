#!/bin/sh
# Runs a command beside a throw-away `systemd --user`.
#
#   with-user-systemd.sh COMMAND [ARGUMENT...]
#
# The command finds a running manager through `systemctl --user`, and an empty directory for units
# in $XDG_CONFIG_HOME/systemd/user; $MANAGER_PID is the manager's process. Both, and whatever they
# start, live in mount, PID and control group namespaces of their own and end with the command.
# Nothing outside sees them. systemd is never started as the system's manager, whose start-up jobs
# clean directories.
#
# Exits as the command does; with 125 and the reason where it cannot be done (it needs root).
set -eu
systemd=/lib/systemd/systemd

cannot() {
    echo "with-user-systemd: $*" >&2
    exit 125
}

outside() {
    [ "$(id -u)" = 0 ] || cannot "only root may make the namespaces"
    [ -x "$systemd" ] || cannot "there is no $systemd"
    for tool in unshare systemctl mount; do
        command -v "$tool" >/dev/null || cannot "there is no $tool"
    done
    unshare --mount true 2>/dev/null || cannot "no mount namespace may be made here"
    exec unshare --mount --propagation private "$0" --in-group "$@"
}

# A control group of its own: the manager moves every process of its group about.
in_group() {
    mount -t tmpfs -o mode=755 none /run || cannot "/run cannot be replaced"
    mkdir /run/groups
    mount -t cgroup2 none /run/groups || cannot "no cgroup2 here"
    group=/run/groups/dormouse-test-$$
    mkdir "$group" || cannot "no control group may be made here"
    # In the background, so that a signal to us is not kept until it ends.
    sh -c 'echo 0 >"$1/cgroup.procs" && shift && exec unshare --cgroup --pid --fork --kill-child --mount-proc "$@"' \
        sh "$group" "$0" --inside "$@" &
    child=$!
    # Its own child, the namespace's first process, dies with it, and everything else with that.
    trap 'kill -KILL "$child"' INT TERM
    status=0
    wait "$child" || status=$?
    # The kernel needs a moment to see that the last process is gone.
    tries=0
    until find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || [ "$tries" = 40 ]; do
        tries=$((tries + 1))
        sleep 0.05
    done
    exit "$status"
}

inside() {
    umount /run/groups
    mount -t cgroup2 none /sys/fs/cgroup || cannot "/sys/fs/cgroup cannot be replaced"
    # systemd's own test for "systemd runs this machine".
    mkdir -p /run/systemd/system
    home=/run/dormouse-test
    mkdir -p "$home/config/systemd/user" "$home/base" "$home/none"
    mkdir -m 700 "$home/runtime"
    # What PID 1 would have made; hiding a directory puts these in its place.
    mkdir -p /run/systemd/inaccessible
    mkdir -m 000 /run/systemd/inaccessible/dir
    (umask 777 && : >/run/systemd/inaccessible/reg && mkfifo /run/systemd/inaccessible/fifo)
    # Targets that other units lean on, without what a distribution hangs on them.
    for target in basic default paths timers sockets shutdown; do
        printf '[Unit]\nDefaultDependencies=no\n' >"$home/base/$target.target"
    done
    export HOME="$home" XDG_RUNTIME_DIR="$home/runtime" XDG_CONFIG_HOME="$home/config"
    export SYSTEMD_UNIT_PATH="$home/config/systemd/user:$home/base"
    export SYSTEMD_GENERATOR_PATH="$home/none" SYSTEMD_ENVIRONMENT_GENERATOR_PATH="$home/none"
    unset DBUS_SESSION_BUS_ADDRESS NOTIFY_SOCKET LISTEN_FDS LISTEN_PID JOURNAL_STREAM
    "$systemd" --user --unit=default.target --log-target=null </dev/null >"$home/said" 2>&1 &
    export MANAGER_PID=$!
    tries=0
    until systemctl --user --quiet is-active default.target 2>/dev/null; do
        tries=$((tries + 1))
        if [ "$tries" = 500 ] || ! kill -0 "$MANAGER_PID" 2>/dev/null; then
            cat "$home/said" >&2
            cannot "the manager did not start"
        fi
        sleep 0.02
    done
    status=0
    "$@" </dev/null || status=$?
    # We are process 1 of the namespace: the kernel kills the rest with us.
    exit "$status"
}

case ${1-} in
--in-group) shift && in_group "$@" ;;
--inside) shift && inside "$@" ;;
'' | --help) sed -n '2,13s/^# \{0,1\}//p' "$0" ;;
*) outside "$@" ;;
esac
