import { readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import ts from 'typescript';

/** A file of the repository: its path from the root, and what it says. */
export interface Source {
  readonly path: string;
  readonly text: string;
}

/** Gives one sentence for each place where it is broken. */
export type Rule = (sources: readonly Source[]) => string[];

/**
 * Every text file that git keeps or would take up. The tree is walked rather than asked from git,
 * so that an exported one, which has no `.git`, is held to the same rules.
 */
export function readSources(root: URL): Source[] {
  const ignored = ['.git', ...read(root, '.gitignore').split('\n').filter(Boolean)];
  const isIgnored = (name: string): boolean =>
    ignored.some((line) =>
      line.startsWith('*') ? name.endsWith(line.slice(1)) : name === line.replace(/\/$/, ''),
    );
  const walk = (folder: string): string[] =>
    readdirSync(new URL(folder, root), { withFileTypes: true })
      .filter((entry) => !isIgnored(entry.name))
      .flatMap((entry) =>
        entry.isDirectory() ? walk(`${folder}${entry.name}/`) : `${folder}${entry.name}`,
      );
  return walk('./')
    .map((path) => ({ path: posix.normalize(path), text: read(root, path) }))
    .filter(({ text }) => !text.includes('\0'));
}

function read(root: URL, path: string): string {
  return readFileSync(new URL(path, root), 'utf8');
}

export function isSource({ path }: Source): boolean {
  return path.startsWith('src/') && path.endsWith('.ts');
}

/**
 * What a file needs to run or to compile: packages by their name, files by their path. A worker
 * thread is named by the URL of its script, which is no import to the compiler.
 */
export function dependencies({ path, text }: Source): string[] {
  const imported = ts.preProcessFile(text, true, true).importedFiles.map((file) => file.fileName);
  const threads = text.matchAll(/new URL\(\s*'(\.[^']+\.js)',\s*import\.meta\.url/g);
  return [...imported, ...Array.from(threads, ([, script]) => script!)].map((specifier) =>
    resolve(path, specifier),
  );
}

/** The path of an imported file of the repository; the name of a package as it is. */
export function resolve(importer: string, specifier: string): string {
  return specifier.startsWith('.')
    ? posix.join(posix.dirname(importer), specifier).replace(/\.js$/, '.ts')
    : specifier;
}

export function statements({ path, text }: Source): readonly ts.Statement[] {
  return ts.createSourceFile(path, text, ts.ScriptTarget.Latest).statements;
}
