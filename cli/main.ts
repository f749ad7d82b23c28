/** kubectl-pcf: a kubectl plugin for PcfApis. kubectl runs it as `kubectl pcf`. */
import { Command } from 'commander';
import { baselineCommand } from './baseline/command.js';
import { dashboardCommand } from './dashboard/command.js';
import {
  abortCommand,
  adoptCommand,
  historyCommand,
  promoteCommand,
  retryCommand,
  undoCommand,
} from './deliver.js';
import { doctorCommand } from './doctor/command.js';
import { pauseCommand, resumeCommand, weightCommand } from './edit.js';
import { importCommand } from './import/command.js';
import { migrateCommand } from './migrate.js';
import { CliError } from './output.js';
import { renderCommand } from './render.js';
import { schemaCommand } from './schema.js';
import { statusCommand } from './status/command.js';
import { waitCommand } from './wait.js';
import { windowCommand } from './window.js';

const program = new Command('kubectl-pcf')
  .description('Inspects PcfApi resources and controls their deliveries.')
  .showHelpAfterError('(see --help)')
  .addCommand(statusCommand())
  .addCommand(dashboardCommand())
  .addCommand(weightCommand())
  .addCommand(pauseCommand())
  .addCommand(resumeCommand())
  .addCommand(promoteCommand())
  .addCommand(abortCommand())
  .addCommand(retryCommand())
  .addCommand(undoCommand())
  .addCommand(adoptCommand())
  .addCommand(waitCommand())
  .addCommand(historyCommand())
  .addCommand(windowCommand())
  .addCommand(migrateCommand())
  .addCommand(schemaCommand())
  .addCommand(renderCommand())
  .addCommand(importCommand())
  .addCommand(doctorCommand())
  .addCommand(baselineCommand())
  .addHelpText(
    'after',
    `
Examples:
  $ kubectl pcf status pcf-api -n platform --watch
  $ kubectl pcf dashboard -n platform
  $ kubectl pcf weight pcf-api 25 -n platform
  $ kubectl pcf render -f deploy/samples/production.yaml
  $ kubectl pcf import rollout -f rollout.yaml > pcfapi.yaml
  $ kubectl pcf doctor -f deploy/samples/production.yaml`,
  );

// EPIPE, as with `| head`, is not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

try {
  await program.parseAsync();
} catch (error) {
  console.error(`error: ${(error as Error).message}`);
  if (!(error instanceof CliError) && process.env.DEBUG) console.error(error);
  process.exitCode = 1;
}
