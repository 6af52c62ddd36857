#!/bin/bash
# Becomes process 1 of a machine of its own: systemd on a copy of this root folder, of which every change is in memory and gone at the end.
# Run by machine.py in new namespaces for mounts, processes, cgroups, network, host name and IPC, as root; the argument is an empty folder.
set -euo pipefail
readonly folder=$1 root=$1/root

mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$folder"
mkdir "$folder"/{changes,work,root}
mount -t overlay -o "lowerdir=/,upperdir=$folder/changes,workdir=$folder/work" overlay "$root"

mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs "$root/sys"
mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mount -t tmpfs -o mode=755,nosuid tmpfs "$root/dev"
for device in null zero full random urandom tty; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir -m 1777 "$root/dev/shm"
mkdir "$root/dev/pts"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s null "$root/dev/console"
for descriptor in fd stdin stdout stderr; do
  case $descriptor in fd) to=/proc/self/fd ;; stdin) to=fd/0 ;; stdout) to=fd/1 ;; stderr) to=fd/2 ;; esac
  ln -s "$to" "$root/dev/$descriptor"
done

# Addresses for the gate and its callers, from the page that is followed.
hostname units-under-test
ip link set lo up
for address in 10.20.0.5 10.20.0.11 10.20.0.12; do ip address add "$address/32" dev lo; done

cd "$root"
mkdir -p .before
pivot_root . .before
# As systemd does on a machine without a container: mounts of credentials are made in a namespace beside and must be seen in this one.
mount --make-rprivate /.before
exec env -i PATH=/usr/sbin:/usr/bin container=namespaces /bin/sh -c '
  umount -l /.before
  rmdir /.before
  mount --make-rshared /
  exec /lib/systemd/systemd --system --unit=basic.target'
