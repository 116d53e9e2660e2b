create table users (name text primary key, password text);
insert into users values ('ann', '{SHA512}7iaw3Ur350mqGo7jwQrpkj9hiYB3Lkc/iBml1JQODbJ6wYX4oOHV+E+IvIh/1nsUNzLDBMxfqa2Ob1f1ACio/w==');
insert into users values ('bo', '{BLF-CRYPT}$2b$05$abcdefghijklmnopqrstuuMceFj4VbmHOj8C7PetMxzZkwre/z.Ri');
insert into users values ('cy', '{PLAIN}test');
