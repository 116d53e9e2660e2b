run() {
  kind=$1 data=$2 out=$3
  gnuplot -e "set terminal $kind; set output '$out'; set datafile separator ','; set title 'Preise in €'; plot '$data' using 1:2 with lines title 'x', sin(x)"
}
