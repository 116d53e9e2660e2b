package Shop::Plugin::Extras;
use Mojo::Base 'Mojolicious::Plugin', -signatures;
use Mojo::Loader qw(find_modules load_class);

# Mounts every module below Shop::Extra.
sub register ($self, $app, $config) {
  for my $module (find_modules 'Shop::Extra') {
    my $error = load_class $module;
    die $error if $error;
    $app->routes->get($module->path)->to(cb => sub ($c) { $c->render(text => $module->answer) });
  }
}

1;
