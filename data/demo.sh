#!/bin/sh
# The main job on the sample data: both stages of the ADL course, from files to a CSV that can be handed in.
set -eu

out=runs/demo
data=data/adl
small="--from-scratch --model bert --tokenizer data/tokenizer
  --set model.hidden_size=64 --set model.num_hidden_layers=2 --set model.num_attention_heads=4
  --set model.intermediate_size=256"

run() {
  echo "\$ qakit $*"
  qakit "$@"
  echo
}

rm -rf "$out"
# shellcheck disable=SC2086
run train-select --train $data/train.json --dev $data/valid.json $small --out $out/select \
  --epochs 4 --batch-size 8 --lr 1e-3 --max-length 256
# shellcheck disable=SC2086
run train-qa --train $data/train.json --dev $data/valid.json $small --out $out/qa \
  --epochs 10 --batch-size 16 --lr 1e-3 --max-length 256
# shellcheck disable=SC2086
run train-qa --train $data/train.json --dev $data/valid.json $small --out $out/qa-2 \
  --epochs 10 --batch-size 16 --lr 1e-3 --max-length 256 --seed 2
run evaluate --model $out/qa --selector $out/select --data $data/valid.json
run predict --model $out/qa --selector $out/select --data $data/test.json --out $out/prediction.csv \
  --scores $out/qa.scores.parquet
run predict --model $out/qa-2 --selector $out/select --data $data/test.json --quiet --out $out/prediction-2.csv \
  --scores $out/qa-2.scores.parquet
run ensemble $out/qa.scores.parquet $out/qa-2.scores.parquet --out $out/ensemble.csv
run evaluate --pred $out/ensemble.csv --gold $data/test_gold.csv --metric adl

echo "These models were trained from nothing on 216 questions, so they know next to nothing; with --model and the name of"
echo "a pretrained encoder the same commands give real scores. The demo made:"
for file in $out/select/best $out/select/curves.svg $out/qa/best $out/qa/curves.svg $out/qa.scores.parquet \
  $out/prediction.csv $out/ensemble.csv; do
  echo "  $file"
done
