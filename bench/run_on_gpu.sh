#!/usr/bin/env bash
# What `./dev dist gpu` puts into build/dist as `run`: the CUDA kernels' tests, then every benchmark, on this machine.
# Copy the folder to a machine with a GPU, a CUDA 13 driver and cuBLAS, and start it there. Leaves results/*.json, flat lists
# of figures beside their floors, and prints them as a table. Ends with 1 if a test fails. Takes about five minutes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export LD_LIBRARY_PATH=$PWD/lib:/usr/local/cuda/lib64${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
commit=$(<commit)
mkdir -p results
nvidia-smi --query-gpu=name,driver_version --format=csv,noheader

failed=0
bin/kernels_cuda_test >results/tests.txt 2>&1 || failed=1
tail -n 1 results/tests.txt

bin/kernels_cuda_bench --json results/kernels.json --commit "$commit"
for model in ${MODELS:-421m 1.3b 1.7b 3.8b}; do
  bin/batucada-bench "configs/samba-$model" --dummy --cuda --batch 1,16,64,256 --context 2112 --prompt 131072 \
    --loop 256 --json "results/samba-$model.json" --commit "$commit"
done
exit "$failed"
