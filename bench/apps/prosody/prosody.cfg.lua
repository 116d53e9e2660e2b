admins = { "admin@chat.test" }
plugin_paths = { "/usr/local/lib/prosody/modules" }
modules_enabled = {
  "disco", "roster", "saslauth", "tls", "blocklist", "carbons", "limits", "pep", "private", "smacks", "vcard4", "vcard_legacy",
  "account_activity", "cloud_notify", "csi_simple", "ping", "register", "time", "uptime", "version", "mam",
  "admin_adhoc", "admin_shell", "bosh", "websocket", "http_files", "announce", "motd", "greeting", "s2s", "dialback", "posix",
}
modules_disabled = { "cloud_notify", "account_activity" }
allow_registration = false
allow_unencrypted_plain_auth = true
c2s_require_encryption = false
authentication = "internal_hashed"
storage = { mam = "sql" }
default_storage = "internal"
sql = { driver = "SQLite3", database = "prosody.sqlite" }
archive_expires_after = "1w"
motd_text = "Be kind"
http_files_dir = "/usr/share/doc/prosody"
http_interfaces = { "*" }
consider_bosh_secure = true
pidfile = "/run/prosody/prosody.pid"
certificates = "certs"
log = { { levels = { min = "info" }, to = "console" } }

VirtualHost "chat.test"
Component "rooms.chat.test" "muc"
  modules_enabled = { "muc_mam" }
Component "files.chat.test" "http_file_share"
Include "conf.d/*.cfg.lua"
