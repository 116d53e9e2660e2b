use strict;
use warnings;
use Test::More tests => 2;
use Plack::Test;
use HTTP::Request::Common;
use Shop;

my $test = Plack::Test->create(Shop->to_app);
is $test->request(GET '/health')->content, 'ok', 'health';
is $test->request(GET '/none')->code, 404, 'nothing there';
