# computes with any number of digits
run_compute() { echo "scale=${SCALE:-5}; $*" | bc -l; }
