#!/usr/bin/env perl
use Mojolicious::Lite -signatures;
use lib 'lib';

push @{app->plugins->namespaces}, 'Shop::Plugin';
plugin 'Extras';
app->secrets(['only for trying']);

get '/' => sub ($c) { $c->render('index', name => $c->param('name') // 'visitor') };
get '/count' => sub ($c) { $c->render(text => ++$c->session->{n}) };
get '/database' => sub ($c) {
  require DBI;
  my $database = DBI->connect('dbi:SQLite:dbname=:memory:', '', '', {RaiseError => 1});
  $c->render(json => $database->selectall_arrayref('select 40 + 2'));
};
get '/markdown' => sub ($c) { require Text::Markdown; $c->render(text => Text::Markdown::markdown($c->param('text'))) };
get '/when' => sub ($c) {
  require DateTime;
  my $when = DateTime->new(year => 2024, month => 7, day => 1, hour => 12, time_zone => 'UTC', locale => $c->param('locale'));
  $c->render(text => $when->set_time_zone($c->param('zone'))->strftime('%A %H:%M'));
};
get '/encode' => sub ($c) { require Encode; $c->render(text => unpack 'H*', Encode::encode($c->param('to'), "\x{65e5}\x{672c}")) };
get '/unicode' => sub ($c) { $c->render(text => "\x{df}" =~ /\p{Script=Latin}/ && uc("stra\x{df}e") . ' ' . charname(0x1F600)) };
get '/xpath' => sub ($c) { require XML::LibXML; $c->render(text => XML::LibXML->load_xml(string => '<a><b>x</b></a>')->findvalue('//b')) };
get '/fetch' => sub ($c) { $c->render_later; $c->ua->insecure(1)->get_p($c->param('url'))->then(sub ($tx) { $c->render(text => $tx->result->body) })->catch(sub ($e) { $c->render(text => $e, status => 502) }) };
get '/core' => sub ($c) {
  require Storable; require Time::HiRes; require Digest::SHA; require MIME::Base64; require File::Temp; require POSIX; require List::Util; require JSON::PP; require Data::Dumper; require Compress::Zlib; require Socket; require threads;
  $c->render(text => Digest::SHA::sha256_hex('x'));
};
get '/boom' => sub { die 'on purpose' };
websocket '/ws' => sub ($c) { $c->on(message => sub ($c, $text) { $c->send("you said $text") }) };

sub charname { require charnames; charnames::viacode(shift) }

app->start;
