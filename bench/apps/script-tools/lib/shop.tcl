package provide shop 1.0
namespace eval shop { proc double {n} { expr {2 * $n} } }
