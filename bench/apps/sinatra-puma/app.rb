require 'sinatra/base'
require 'sinatra/json'
require 'digest'
require 'sqlite3'

class Shop < Sinatra::Base
  helpers Sinatra::JSON
  enable :sessions
  set :show_exceptions, false
  set :host_authorization, permitted_hosts: []

  def self.database
    @database ||= SQLite3::Database.new('/data/notes.db').tap { |db| db.execute('create table if not exists notes (text text)') }
  end

  # Every extra is loaded when it is asked for.
  Dir[File.join(__dir__, 'extras', '*.rb')].each { |file| autoload File.basename(file, '.rb').capitalize.to_sym, file }

  get('/') { erb :index, locals: { name: params[:name] || 'visitor' } }
  get('/haml') { haml :page }
  get('/notes') { json self.class.database.execute('select text from notes').flatten }
  post('/notes') { self.class.database.execute('insert into notes values (?)', request.body.read); status 201 }
  get('/count') { (session[:n] = (session[:n] || 0) + 1).to_s }
  get('/markdown') { Markup.markdown(params[:text]) }
  get('/xpath') { Markup.xpath('<a><b>x</b></a>', '//b') }
  get('/zone') { ENV['TZ'] = params[:name]; Time.at(1_719_835_200).strftime('%H:%M %Z') }
  get('/encode') { '日本'.encode(params[:to]).unpack1('H*') }
  get('/digest') { require 'openssl'; OpenSSL::Digest.new(params[:kind]).hexdigest('x') }
  get('/extensions') { require 'bigdecimal'; require 'psych'; require 'zlib'; require 'ripper'; require 'socket'; require 'io/console'; json YAML.load('a: [1, 2]') }
  get('/child') { `echo from-a-shell` }
  get('/boom') { raise 'on purpose' }
  error { "failed: #{env['sinatra.error'].message}" }
  not_found { 'nothing here' }
end
