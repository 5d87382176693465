# Migrates the file $SITE_DB up or down to the version that is given; the newest without one.
# Every connection loads colony.so, and every transaction takes the write lock at once.
require "logger"
require "active_record"
require "active_record/connection_adapters/sqlite3_adapter"

module LoadColony
  private

  def configure_connection
    super
    db = @raw_connection || @connection
    db.enable_load_extension(true)
    db.load_extension(ENV.fetch("COLONY_EXTENSION"))
    db.enable_load_extension(false)
  end
end

module Immediate
  def transaction(_mode = nil, &block)
    super(:immediate, &block)
  end
end

ActiveRecord::ConnectionAdapters::SQLite3Adapter.prepend(LoadColony)
SQLite3::Database.prepend(Immediate)
ActiveRecord::Migrator.migrations_paths = [File.join(__dir__, "migrations")]
ActiveRecord::Migration.verbose = false
ActiveRecord::Base.establish_connection(adapter: "sqlite3", database: ENV.fetch("SITE_DB"), timeout: 20_000)
base = ActiveRecord::Base
context = base.connection.respond_to?(:migration_context) ? base.connection.migration_context : base.connection_pool.migration_context
context.migrate(ARGV[0]&.to_i)
puts context.current_version
