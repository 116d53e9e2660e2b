from sqlalchemy import Column, Integer, String, create_engine, func, select
from sqlalchemy.orm import Session, declarative_base

Base = declarative_base()


class Row(Base):
    __tablename__ = "rows"
    id = Column(Integer, primary_key=True)
    name = Column(String)
    count = Column(Integer)


def make(rows):
    engine = create_engine("sqlite:////data/rows.db")
    Base.metadata.drop_all(engine)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all(Row(name=name, count=count) for name, count in rows)
        session.commit()
        return session.scalar(select(func.sum(Row.count)))
