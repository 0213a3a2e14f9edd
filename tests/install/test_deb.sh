#!/usr/bin/env bash
# The package that `make deb` built can be installed, used and removed without a
# trace, in a throw-away copy of this system: an overlay that nothing outside
# sees. Skipped where there is no package, or no right to mount one.
set -euo pipefail

version=$(sed -n 's/^#define APP_VERSION "\(.*\)"/\1/p' "$ROOT/app/app.h")
stated=$(sed -n '1s/^compress-yolo (\(.*\)) .*/\1/p' "$ROOT/debian/changelog")
[[ $version == "$stated" ]] || {
    echo "app/app.h is version $version, debian/changelog $stated"
    exit 1
}

skip() {
    echo "$1"
    exit 77
}

command -v dpkg-deb >/dev/null || skip "no dpkg"
package=$(find "$ROOT/build/deb" -name 'compress-yolo_*.deb' 2>/dev/null) ||
    true
[[ -e $package ]] || skip "no package: make deb"

# --- what is in it -------------------------------------------------------------

dpkg-deb --contents "$package" >contents
for file in usr/bin/compress-yolo usr/lib/compress/compress-opencv.so \
    usr/share/man/man1/compress-yolo.1.gz \
    usr/share/bash-completion/completions/compress-yolo \
    usr/share/zsh/vendor-completions/_compress-yolo \
    usr/share/compress-yolo/samples/shapes8n.onnx; do
    grep -q " \./$file\$" contents || { echo "not there: $file" && exit 1; }
done
# That name belongs to ncompress.
! grep -q ' \./usr/bin/compress$' contents
dpkg-deb --field "$package" Depends >depends
grep -q libonnx1 depends
! grep -q opencv depends
dpkg-deb --field "$package" Recommends | grep -q opencv-imgcodecs

# --- used ----------------------------------------------------------------------

cp "$package" package.deb
cat >trial <<'END'
set -eu
cd /root
find /etc /usr /opt ! -type d | sort >before
dpkg --install /package.deb
compress-yolo --help | grep -q Usage
samples=/usr/share/compress-yolo/samples
compress-yolo inspect $samples/shapes8n.onnx | grep -q Conv
compress-yolo $samples/shapes8n.onnx --prune 0.05 --fp16 -o p.onnx
compress-yolo detect p.onnx $samples/data/val/val_001.jpg -o drawn
test -s drawn/val_001.jpg
dpkg --purge compress-yolo
find /etc /usr /opt ! -type d | sort >after
diff before after
test ! -d /usr/share/compress-yolo
test ! -d /usr/lib/compress
END

# The upper layer is memory, which is gone with the mount namespace.
cat >outside <<'END'
set -eu
mkdir disk && mount -t tmpfs tmpfs disk && mkdir disk/upper disk/work disk/root
mount -t overlay overlay disk/root \
    -o lowerdir=/,upperdir=disk/upper,workdir=disk/work || exit 77
mount --rbind /proc disk/root/proc
mount --rbind /dev disk/root/dev
cp package.deb trial disk/root/
exec chroot disk/root env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
    LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive sh /trial
END

[[ $(id -u) == 0 ]] || skip "not root"
unshare --mount true 2>/dev/null || skip "no mount namespaces"
status=0
unshare --mount sh outside >log 2>&1 || status=$?
((status != 77)) || skip "no overlay file system"
((status == 0)) || { cat log && exit 1; }
