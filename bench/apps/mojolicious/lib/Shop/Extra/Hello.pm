package Shop::Extra::Hello;
use strict;
use warnings;

sub path   {'/extra/hello'}
sub answer { require Text::Wrap; Text::Wrap::wrap('', '', 'hello from an extra') }

1;
