import { main } from '../src/cli/main.ts';

/* The command line tool, from the sources: `node cli-process.ts VERB …` */

process.exitCode = await main(process.argv.slice(2));
