use strict;
use warnings;
use Encode qw(decode);
use Time::Local;
use MIME::Base64;

sub flies { return $_[0] =~ /^Subject:.*fruit fl(y|ies)/mi ? 1 : 0 }
sub letters { my $text = decode('MIME-Header', $_[0] // ''); return length $text }
1;
