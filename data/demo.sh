#!/bin/sh
# The main job on the sample data: both stages of the ADL course, from files to a CSV that can be handed in.
set -eu

out=runs/demo
data=data/adl
run() {
  echo "\$ qakit $*"
  qakit "$@"
  echo
}

rm -rf "$out"
run predict -q "霧嶺鐵路是哪一年通車的？" -c "霧嶺鐵路長四十二公里，一九三一年通車，起點是山腳的石橋站。"
run train-select --config configs/demo.yaml --train $data/train.json --dev $data/valid.json --out $out/select --epochs 1
run train-qa --config configs/demo.yaml --train $data/train.json --dev $data/valid.json --out $out/qa
run train-qa --config configs/demo.yaml --train $data/train.json --dev $data/valid.json --out $out/qa-2 --seed 2
run evaluate --model mini-zh --data $data/valid.json
run evaluate --model $out/qa --selector $out/select --data $data/valid.json
run predict --model $out/qa --selector $out/select --data $data/test.json --out $out/prediction.csv \
  --scores $out/qa.scores.parquet
run predict --model $out/qa-2 --selector $out/select --data $data/test.json --quiet --out $out/prediction-2.csv \
  --scores $out/qa-2.scores.parquet
run ensemble $out/qa.scores.parquet $out/qa-2.scores.parquet --out $out/ensemble.csv
run evaluate --pred $out/ensemble.csv --gold $data/test_gold.csv --metric adl

echo "All of this started from mini-zh, the small model that comes with qakit; with --model and the name of a pretrained"
echo "encoder the same commands are a contest entry. The demo made:"
for file in $out/select/best $out/select/curves.svg $out/qa/best $out/qa/curves.svg $out/qa.scores.parquet \
  $out/prediction.csv $out/ensemble.csv; do
  echo "  $file"
done
