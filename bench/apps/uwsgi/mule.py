import uwsgi
while True:
    m = uwsgi.mule_get_msg()
    open("/tmp/mule.txt", "wb").write(m)
