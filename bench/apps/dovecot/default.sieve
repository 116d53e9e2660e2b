require ["fileinto", "mailbox", "regex", "variables", "body"];
if header :regex "subject" "^\\[(.*)\\]" {
  fileinto :create "lists.${1}";
}
