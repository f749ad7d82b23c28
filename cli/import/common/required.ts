/** Values that a PcfApi requires and other tools do not have. */
import type { Conversion } from '../conversion.js';
import type { Field } from '../source.js';

const DATABASE = ['database', 'secretRef'];
const DATABASE_KEY = 'database-url';

/** Sets the Secret with the URL of the database, unless a variable of the container names it. */
export function requireDatabase(conversion: Conversion, main: Field): void {
  const { spec, options } = conversion;
  if (options.databaseSecret) spec.set(DATABASE, options.databaseSecret);
  else if (!spec.has(DATABASE)) {
    const name = `${conversion.nameFor(main)}-secrets`;
    spec.set(DATABASE, { name, key: DATABASE_KEY });
    main.remark(
      'Required',
      `the input has no Secret with the URL of the database: it is key ${DATABASE_KEY} of Secret ${name}`,
      'create it, or set --database-secret',
    );
  }
  if (options.environment) spec.set(['environment'], options.environment);
}
