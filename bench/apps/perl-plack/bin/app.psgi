use strict;
use warnings;
use Plack::Builder;
use Shop;

builder {
    enable 'Static', path => qr{^/static/}, root => '/app/public';
    enable 'ContentLength';
    enable_if { $_[0]{PATH_INFO} =~ m{^/admin} } 'Auth::Basic', authenticator => sub { Shop::allowed(@_) };
    mount '/metrics' => builder { enable 'JSONP'; sub { [200, ['Content-Type' => 'application/json'], ['{"up":1}']] } };
    mount '/' => Shop->to_app;
};
