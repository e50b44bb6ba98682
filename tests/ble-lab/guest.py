#!/usr/bin/env python3
"""The guest of the Bluetooth laboratory: a stock Debian kernel with the machine's own bluetoothd and D-Bus in its memory disk.

    guest.py base FOLDER             once (scripts/setup.sh): FOLDER/vmlinux and FOLDER/base.cpio
    guest.py pack FILE TO=FROM ...   programs with their shared libraries, files and folders, as a second memory disk; the kernel
                                     unpacks both when one is appended to the other

The kernel package is fetched and unpacked, never installed: the machine's own kernel is left alone. Whatever version the suite
has is taken (linux-image-cloud-amd64 has no Bluetooth). Everything else is copied from packages that are installed.
"""

import hashlib
import lzma
import os
import pathlib
import shutil
import stat
import subprocess
import sys
import tempfile
import zlib

PACKAGE = "linux-image-amd64"
# bluetoothd hashes over AF_ALG and the kernel's own security manager wants cmac and ecb, which no module lists as needed.
MODULES = ["af_alg", "algif_hash", "algif_skcipher", "cmac", "ecb", "bluetooth", "hci_vhci"]
PROGRAMS = {
    "bin/busybox": "/bin/busybox",
    "bin/dbus-daemon": "/usr/bin/dbus-daemon",
    "bin/bluetoothd": "/usr/libexec/bluetooth/bluetoothd",
}
FILES = {
    "usr/share/dbus-1/system.conf": "/usr/share/dbus-1/system.conf",
    "etc/dbus-1/system.d/bluetooth.conf": "/etc/dbus-1/system.d/bluetooth.conf",
    "etc/bluetooth/main.conf": "/etc/bluetooth/main.conf",
}
TEXTS = {
    "etc/passwd": "root:x:0:0:root:/:/bin/sh\nmessagebus:x:100:100::/:/bin/false\n",
    "etc/group": "root:x:0:\nmessagebus:x:100:\nbluetooth:x:101:\n",
    "etc/machine-id": "5ca1ab1e5ca1ab1e5ca1ab1e5ca1ab1e\n",
}
FOLDERS = ["dev", "proc", "sys", "tmp", "run/dbus", "var/lib/bluetooth"]


def fail(what):
    sys.exit(f"guest.py: {what}")


class Archive:
    """A memory disk: the format that `cpio -H newc` writes, which kernels unpack at their start."""

    def __init__(self, path):
        self.out, self.inode, self.known = open(path, "wb"), 0, set()

    def entry(self, name, mode, content=b""):
        name = name.strip("/")
        if name in self.known:
            return
        parent = os.path.dirname(name)
        if parent:
            self.folder(parent)
        self.known.add(name)
        self.inode += 1
        fields = [self.inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0]
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        for part in (head, content):
            self.out.write(part + b"\0" * (-len(part) % 4))

    def folder(self, name):
        self.entry(name, stat.S_IFDIR | 0o755)

    def link(self, name, to):
        self.entry(name, stat.S_IFLNK | 0o777, to.encode())

    def file(self, name, content, mode=0o644):
        self.entry(name, stat.S_IFREG | mode, content)

    def program(self, name, path):
        """An ELF file without its symbols, and every library it loads at the place where it was loaded from here."""
        with tempfile.NamedTemporaryFile() as bare:
            subprocess.run(["strip", "-s", "-o", bare.name, path], check=True)
            self.file(name, pathlib.Path(bare.name).read_bytes(), 0o755)
        for library in libraries(path):
            self.file(library, pathlib.Path(library).read_bytes(), 0o755)

    def anything(self, name, path):
        path = pathlib.Path(path)
        if path.is_dir():
            for inside in sorted(path.rglob("*")):
                if inside.is_file():
                    self.file(f"{name}/{inside.relative_to(path)}", inside.read_bytes())
            return
        with open(path, "rb") as file:
            elf = file.read(4) == b"\x7fELF"
        if elf:
            self.program(name, path)
        else:
            self.file(name, path.read_bytes(), stat.S_IMODE(path.stat().st_mode))

    def close(self):
        self.entry("TRAILER!!!", 0)
        self.out.write(b"\0" * (-self.out.tell() % 512))
        self.out.close()


def libraries(path):
    listed = subprocess.run(["ldd", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
    for line in listed.splitlines():
        found = [word for word in line.split() if word.startswith("/")]
        if found:
            yield found[0]


def kernel_package():
    """The newest kernel of the suite, by the package that always depends on it; None where apt has no lists."""
    listed = subprocess.run(["apt-cache", "depends", PACKAGE], stdout=subprocess.PIPE, text=True).stdout
    for line in listed.splitlines():
        if "Depends: linux-image-" in line:
            return line.split()[-1]
    return None


def unpack_kernel(package, into):
    with tempfile.TemporaryDirectory() as fetched:
        os.chmod(fetched, 0o777)
        done = subprocess.run(["apt-get", "-q", "download", package], cwd=fetched, stderr=subprocess.PIPE, text=True)
        found = list(pathlib.Path(fetched).glob("*.deb"))
        if done.returncode or not found:
            fail(f"apt-get download {package}: {done.stderr.strip()}")
        subprocess.run(["dpkg", "-x", found[0], into], check=True)


def vmlinux(image):
    """The kernel inside a bzImage: unpacked here, it starts seconds earlier in an emulated processor."""
    image = image.read_bytes()
    formats = [
        (b"\xfd7zXZ\0", lambda data: lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(data)),
        (b"\x1f\x8b\x08", lambda data: zlib.decompressobj(31).decompress(data)),
        (b"\x28\xb5\x2f\xfd", lambda data: piped(["zstd", "-dcq"], data)),
        (b"\x02\x21\x4c\x18", lambda data: piped(["lz4", "-dcq"], data)),
    ]
    for magic, unpack in formats:
        at = image.find(magic)
        while at >= 0:
            try:
                kernel = unpack(image[at:])
                if kernel[:4] == b"\x7fELF":
                    return kernel
            except (lzma.LZMAError, zlib.error, EOFError, OSError):
                pass  # the magic number by chance
            at = image.find(magic, at + 1)
    fail("no kernel found in the package's image")


def piped(command, data):
    return subprocess.run(command, input=data, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


def module(path):
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data


def modules(root):
    """The wanted modules and what they need, each after what it needs."""
    named = {}
    for path in root.rglob("*.ko*"):
        named[path.name.split(".ko")[0].replace("-", "_")] = path
    order = {}

    def take(name):
        if name in order or name not in named:
            return  # those that are not there are built into the kernel
        data = module(named[name])
        at = data.find(b"\0depends=")
        needs = data[at + 9 : data.index(b"\0", at + 9)].decode() if at >= 0 else ""
        for need in filter(None, needs.split(",")):
            take(need.replace("-", "_"))
        order[name] = data

    for name in MODULES:
        take(name)
    if "bluetooth" not in order or "hci_vhci" not in order:
        fail(f"the kernel in {root} has no Bluetooth")
    return order


def base(folder):
    folder = pathlib.Path(folder)
    package = kernel_package()
    # Made again for another kernel, other packages or another recipe.
    recipe = [__file__, pathlib.Path(__file__).parent / "init.sh"]
    sources = [pathlib.Path(path) for path in [*PROGRAMS.values(), *FILES.values(), *recipe]]
    stamp = "\n".join([str(package), *(hashlib.sha256(path.read_bytes()).hexdigest() for path in sources)])
    stamped = folder / "made-from"
    made_from = stamped.read_text() if stamped.exists() else None
    if made_from == stamp or (made_from and package is None):
        print("the guest of the Bluetooth laboratory is there")
        return
    if package is None:
        fail(f"apt knows no {PACKAGE}; run `apt-get update` and then this again")
    folder.mkdir(parents=True, exist_ok=True)
    stamped.unlink(missing_ok=True)
    unpacked = folder / "kernel"
    shutil.rmtree(unpacked, ignore_errors=True)
    unpack_kernel(package, unpacked)
    (image,) = unpacked.glob("boot/vmlinuz-*")
    (folder / "vmlinux").write_bytes(vmlinux(image))
    archive = Archive(folder / "base.cpio")
    for name in FOLDERS:
        archive.folder(name)
    loaded = modules(unpacked)
    for name, data in loaded.items():
        archive.file(f"modules/{name}.ko", data)
    archive.file("modules/order", "".join(f"{name}.ko\n" for name in loaded).encode())
    for name, path in PROGRAMS.items():
        archive.program(name, path)
    for name, path in FILES.items():
        archive.file(name, pathlib.Path(path).read_bytes())
    for name, text in TEXTS.items():
        archive.file(name, text.encode())
    archive.link("bin/sh", "busybox")
    archive.link("var/run", "/run")
    archive.file("init", (pathlib.Path(__file__).parent / "init.sh").read_bytes(), 0o755)
    archive.close()
    shutil.rmtree(unpacked)
    stamped.write_text(stamp)
    print(f"the guest of the Bluetooth laboratory is made ({package})")


def pack(path, parts):
    archive = Archive(path)
    for part in parts:
        name, source = part.split("=", 1)
        archive.anything(name, source)
    archive.close()


match sys.argv[1:]:
    case ["base", folder]:
        base(folder)
    case ["pack", path, *parts]:
        pack(path, parts)
    case _:
        fail("base FOLDER | pack FILE TO=FROM ...")
