#!/bin/sh
set -e
if [ ! -e /var/lib/ldap/.ready ]; then
  rm -rf /etc/ldap/slapd.d/* /var/lib/ldap/*
  cat > /tmp/slapd.conf <<CONF
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
include /etc/ldap/schema/nis.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
database config
rootpw $(slappasswd -s "$LDAP_PASSWORD")
database mdb
suffix dc=shop,dc=test
rootdn cn=admin,dc=shop,dc=test
rootpw $(slappasswd -s "$LDAP_PASSWORD")
directory /var/lib/ldap
index uid,cn eq,sub
overlay memberof
CONF
  # Complains of the database, which is not there yet, but writes the settings.
  slaptest -f /tmp/slapd.conf -F /etc/ldap/slapd.d > /dev/null 2>&1 || true
  slapadd -F /etc/ldap/slapd.d -b dc=shop,dc=test -l /opt/base.ldif
  touch /var/lib/ldap/.ready
  chown -R openldap:openldap /var/lib/ldap /etc/ldap/slapd.d
fi
mkdir -p /run/slapd && chown openldap:openldap /run/slapd
exec slapd -d stats -h "ldap:/// ldapi:///" -u openldap -g openldap -F /etc/ldap/slapd.d
