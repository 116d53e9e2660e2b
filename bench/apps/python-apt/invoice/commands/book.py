import psycopg2


def main(host):
    try:
        psycopg2.connect(host=host, port=1, connect_timeout=3)
    except psycopg2.OperationalError as error:
        print(error)
