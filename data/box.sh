#!/bin/sh
# The accurate model in the box, from raw files, with qakit's own commands: a pretrained encoder of 12 layers, fine-tuned.
# sh data/box.sh DATA ENCODER [OUT], where DATA holds drcd/, cmrc2018/ and xquad/ and ENCODER the files that
# data/e5_small.py tells of: e5-small-q4.bin and tokenizer.json. The same line goes on where it stopped.
# One thread, so that a CPU of one make rounds the same sums the same way whatever else it does.
set -eu
export OMP_NUM_THREADS=1

data=$1
encoder=$2
out=${3:-runs/box}
case "$data$encoder$out" in *[[:space:]]*) echo "$data, $encoder, $out: folders without spaces, please" >&2 && exit 2 ;; esac
run() {
  echo "\$ qakit $*"
  qakit "$@"
}

# Held out: dev and test parts of DRCD's dev file, 15 % of CMRC dev's articles (as for mini-zh), 40 paragraphs of XQuAD in
# both languages.
d=$out/data
python data/drcd_dev_parts.py "$data/drcd/DRCD_dev.json" "$d/drcd"
run preprocess "$d/drcd/train.json" "$d/drcd/dev.json" --to hw7 --out "$d/hw7"
run preprocess "$data/cmrc2018/cmrc2018_dev.json" --split 0.85,0.05,0.1 --to cmrc --out "$d"
run preprocess "$data/cmrc2018/cmrc2018_trial.json" --lenient --to cmrc --out "$d"
# Half of CMRC's training part is read in Traditional.
python data/box_parts.py "$data" "$d"
run preprocess "$d/cmrc_train_0.json" --repair --lenient --script s2t --to squad --out "$d/traditional"
run preprocess "$d/cmrc_train_1.json" --repair --lenient --to squad --out "$d/simplified"
set -- "$d/hw7/train.json" "$data/drcd/DRCD_train_sample.json" "$d/train.json" "$d/cmrc2018_trial.json" \
  "$d/traditional/cmrc_train_0.json" "$d/simplified/cmrc_train_1.json" "$d/xquad.zh.train.json" "$d/xquad.en.train.json"

[ -e "$out/start" ] || python data/e5_small.py "$out/start" "$@" \
  --weights "$encoder/e5-small-q4.bin" --tokenizer "$encoder/tokenizer.json"

labelled=""
for file in "$@"; do labelled="$labelled --train $file"; done
# shellcheck disable=SC2086  # the names of these files have no spaces
run train-qa --config data/box.yaml --lenient $labelled --dev "$d/hw7/dev.json" --model "$out/start" --resume auto \
  --out "$out/1"
