/**
 * The triggers that tell of changed sessions, and what they say.
 *
 * Every transaction that notifies takes a lock of the whole server while it commits, so the triggers are made for those
 * only who listen.
 *
 * @module
 */

import type { PostgresNames } from './names.ts'
import { NOW } from './statements.ts'

/** First character of a message. */
export const CHANGED = 'k'
export const CHANGED_ALL = '*'
export const ECHO = 'e'

/** Trigger by which {@link ECHO_STATEMENT} knows that changes are told. */
const MAIN_TRIGGER = 'coatcheck_changed'

/**
 * channel, message, table. One row when the message was sent; none when changes to the table are not told.
 *
 * Messages arrive in the order in which transactions commit.
 */
export const ECHO_STATEMENT = `
  SELECT pg_notify($1, $2) IS NULL FROM pg_trigger
  WHERE tgrelid = to_regclass($3) AND tgname = '${MAIN_TRIGGER}' AND tgenabled IN ('O', 'A')`

/** Steps that make the triggers, or make them anew. */
export function makeTriggers(names: PostgresNames): string {
  const { table, notify, channel } = names
  return `
    CREATE OR REPLACE FUNCTION ${notify}() RETURNS trigger LANGUAGE plpgsql AS $notify$ BEGIN
      IF TG_LEVEL = 'STATEMENT' THEN PERFORM pg_notify('${channel}', '${CHANGED_ALL}');
      -- A message has less than 8,000 bytes. A key of the engine has 43.
      ELSIF octet_length(OLD.key) > 7000 THEN PERFORM pg_notify('${channel}', '${CHANGED_ALL}');
      ELSE PERFORM pg_notify('${channel}', '${CHANGED}' || OLD.key);
      END IF;
      RETURN NULL;
    END $notify$;
    ${dropTriggers(names)}
    CREATE TRIGGER ${MAIN_TRIGGER} AFTER UPDATE OF key, version, data, principal ON ${table}
      FOR EACH ROW EXECUTE FUNCTION ${notify}();
    -- A touch moves the expiry forward only. Somebody with a shell may end a session.
    CREATE TRIGGER coatcheck_ended AFTER UPDATE OF expires_at ON ${table}
      FOR EACH ROW WHEN (NEW.expires_at < OLD.expires_at) EXECUTE FUNCTION ${notify}();
    -- What the sweep removes has been dead for every copy.
    CREATE TRIGGER coatcheck_deleted AFTER DELETE ON ${table}
      FOR EACH ROW WHEN (NOT OLD.expires_at <= ${NOW}) EXECUTE FUNCTION ${notify}();
    CREATE TRIGGER coatcheck_truncated AFTER TRUNCATE ON ${table}
      FOR EACH STATEMENT EXECUTE FUNCTION ${notify}();`
}

/** Steps that remove the triggers, if there are any. */
export function dropTriggers({ table }: PostgresNames): string {
  return [MAIN_TRIGGER, 'coatcheck_ended', 'coatcheck_deleted', 'coatcheck_truncated']
    .map((trigger) => `DROP TRIGGER IF EXISTS ${trigger} ON ${table};`)
    .join('\n    ')
}
