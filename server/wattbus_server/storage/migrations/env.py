"""What Alembic runs: migrations on the connection that `wattbus_server.storage.migrate` opened, in its transaction."""

from alembic import context

from wattbus_server.storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=False,
)
context.run_migrations()
