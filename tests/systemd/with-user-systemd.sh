#!/bin/sh
# Runs a command together with a temporary `systemd --user`.
#
#   with-user-systemd.sh COMMAND [ARGUMENT...]
#
# `systemctl --user` reaches the manager, $XDG_CONFIG_HOME/systemd/user is an empty directory for
# units, and $MANAGER_PID is the manager's process. Both, and all processes that they start, run in
# separate mount, PID and control group namespaces, invisible from outside, and end with the command.
# systemd is never started as the system's manager, because the jobs of a system's start clean
# directories.
#
# Exits with the command's status, or with 125 and a message if it cannot be run (it needs root).
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

# Creates a control group, because the manager moves all processes of its group.
in_group() {
    mount -t tmpfs -o mode=755 none /run || cannot "/run cannot be replaced"
    mkdir /run/groups
    mount -t cgroup2 none /run/groups || cannot "no cgroup2 here"
    group=/run/groups/dormouse-test-$$
    mkdir "$group" || cannot "no control group may be made here"
    # In the background, because a shell handles a signal only after a command in the foreground ends.
    sh -c 'echo 0 >"$1/cgroup.procs" && shift && exec unshare --cgroup --pid --fork --kill-child --mount-proc "$@"' \
        sh "$group" "$0" --inside "$@" &
    child=$!
    # unshare kills its child, the namespace's first process, and with it the whole namespace ends.
    trap 'kill -KILL "$child"' INT TERM
    status=0
    wait "$child" || status=$?
    # The kernel takes a moment to notice that the group's last process has ended.
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
    # systemd considers itself running if this directory exists.
    mkdir -p /run/systemd/system
    home=/run/dormouse-test
    mkdir -p "$home/config/systemd/user" "$home/base" "$home/none"
    mkdir -m 700 "$home/runtime"
    # systemd as PID 1 would have created these. They are mounted over directories that are hidden.
    mkdir -p /run/systemd/inaccessible
    mkdir -m 000 /run/systemd/inaccessible/dir
    (umask 777 && : >/run/systemd/inaccessible/reg && mkfifo /run/systemd/inaccessible/fifo)
    # The targets that other units refer to, without the dependencies that a distribution adds.
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
    # This is process 1 of the namespace: when it ends, the kernel kills the others.
    exit "$status"
}

case ${1-} in
--in-group) shift && in_group "$@" ;;
--inside) shift && inside "$@" ;;
'' | --help) sed -n '2,13s/^# \{0,1\}//p' "$0" ;;
*) outside "$@" ;;
esac
