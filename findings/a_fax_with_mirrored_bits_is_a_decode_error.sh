#!/usr/bin/env bash
#
# Fax servers write TIFF with FillOrder = 2 (TIFF 6.0, tag 266): the bits of each byte are mirrored, as they came over the line.
# The tiff crate, which image uses, does not look at the tag: a valid Group 4 page ends in "Decode Error", as a damaged one does, so
# that a fax which every viewer shows looks broken. The same page with FillOrder = 1 is read.
#
# Installs pillow==11.3.0 and the crate tiff 0.11.3 into a temporary folder and ends with 0 while the behaviour is as written here.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install --quiet --disable-pip-version-check pillow==11.3.0
"$tmp/venv/bin/python" - "$tmp" <<'PY'
import struct
import sys
from PIL import Image, ImageDraw
page = Image.new("1", (64, 48), 255)
ImageDraw.Draw(page).rectangle((8, 8, 40, 30), fill=0)
page.save(f"{sys.argv[1]}/1.tif", compression="group4", tiffinfo={266: 1})
file = bytearray(open(f"{sys.argv[1]}/1.tif", "rb").read())
tags = Image.open(f"{sys.argv[1]}/1.tif").tag_v2
# the same file with the bits of its one strip mirrored, and the tag that says so
(begin,), (size,) = tags[273], tags[279]
file[begin:begin + size] = bytes(int(f"{byte:08b}"[::-1], 2) for byte in file[begin:begin + size])
(first,) = struct.unpack_from("<I", file, 4)
for at in range(first + 2, first + 2 + 12 * struct.unpack_from("<H", file, first)[0], 12):
    if struct.unpack_from("<H", file, at)[0] == 266:
        struct.pack_into("<H", file, at + 8, 2)
open(f"{sys.argv[1]}/2.tif", "wb").write(file)
for order in (1, 2):
    again = Image.open(f"{sys.argv[1]}/{order}.tif")
    assert again.tag_v2[266] == order and again.tobytes() == page.tobytes()
PY
mkdir -p "$tmp/read/src"
cat >"$tmp/read/Cargo.toml" <<'TOML'
[package]
name = "read"
version = "0.0.0"
edition = "2021"
[dependencies]
tiff = { version = "=0.11.3", default-features = false, features = ["fax"] }
TOML
cat >"$tmp/read/src/main.rs" <<'RS'
use tiff::decoder::{Decoder, DecodingResult};
fn main() {
    let read = |path: String| {
        let mut decoder = Decoder::new(std::fs::File::open(path).unwrap()).unwrap();
        decoder.read_image().map(|read| match read {
            DecodingResult::U8(bytes) => bytes,
            _ => Vec::new(),
        })
    };
    let folder = std::env::args().nth(1).unwrap();
    let (one, two) = (read(format!("{folder}/1.tif")), read(format!("{folder}/2.tif")));
    println!("FillOrder 1: {}", if one.is_ok() { "read" } else { "an error" });
    match (one, two) {
        (Ok(one), Ok(two)) => println!("FillOrder 2: read, {}", if one == two { "the same" } else { "another picture" }),
        (_, Err(cause)) => println!("FillOrder 2: {cause}"),
        _ => println!("FillOrder 1: an error"),
    }
}
RS
seen=$(cd "$tmp/read" && CARGO_TARGET_DIR="$tmp/target" cargo run --quiet -- "$tmp")
wanted=$(cat <<'SEEN'
FillOrder 1: read
FillOrder 2: Decode Error
SEEN
)
echo "with tiff 0.11.3 and files by pillow 11.3.0, which reads both alike:"
printf '%s\n' "$seen"
[ "$seen" = "$wanted" ] || { printf 'this was seen before:\n%s\n' "$wanted"; exit 1; }
