import ts from 'typescript';
import { dependencies, isSource, resolve, statements, type Rule, type Source } from './source.js';

/** The service, and the command of its operator. */
const ENTRIES = ['src/main.ts', 'src/rebuild.ts'];

/** Follows imports and threads from the entries. */
export const noUnusedFiles: Rule = (sources) => {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const reached = new Set<string>();
  const reach = (path: string): void => {
    const source = byPath.get(path);
    if (source && !reached.has(path)) {
      reached.add(path);
      dependencies(source).forEach(reach);
    }
  };
  ENTRIES.forEach(reach);
  return sources
    .filter((source) => isSource(source) && !reached.has(source.path))
    .map(({ path }) => `${path} is not reached from ${ENTRIES.join(' or ')}`);
};

/**
 * A function, class or constant is exported for another file of `src` or `test`. Types are free:
 * a signature that speaks of one exports it for the reader.
 */
export const noUnusedExports: Rule = (sources) => {
  const code = sources.filter(({ path }) => /^(src|test)\/.*\.ts$/.test(path));
  const used = new Set(code.flatMap(importedNames));
  return code
    .filter(isSource)
    .flatMap((source) => exportedNames(source).map((name) => ({ path: source.path, name })))
    .filter(({ path, name }) => !used.has(`${path}#${name}`) && !used.has(`${path}#*`))
    .map(({ path, name }) => `${path} exports ${name}, which no other file imports`);
};

function exportedNames(source: Source): string[] {
  return statements(source).flatMap((statement) => {
    if (ts.isExportDeclaration(statement)) {
      const { exportClause: clause, isTypeOnly } = statement;
      return clause && ts.isNamedExports(clause) && !isTypeOnly
        ? clause.elements.filter((item) => !item.isTypeOnly).map((item) => item.name.text)
        : [];
    }
    const modifiers = ts.canHaveModifiers(statement) ? ts.getModifiers(statement) : undefined;
    if (!modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)) {
      return [];
    }
    if (ts.isVariableStatement(statement)) {
      return statement.declarationList.declarations
        .map(({ name }) => name)
        .filter(ts.isIdentifier)
        .map(({ text }) => text);
    }
    const isCode = ts.isFunctionDeclaration(statement) || ts.isClassDeclaration(statement);
    return isCode && statement.name ? [statement.name.text] : [];
  });
}

/** As `path#name`; `path#*` where the whole file is taken. */
function importedNames(source: Source): string[] {
  const dynamic = Array.from(source.text.matchAll(/\bimport\(\s*'([^']+)'/g), ([, from]) => ({
    from: from!,
    names: ['*'],
  }));
  const named = statements(source).flatMap((statement) => {
    if (ts.isImportDeclaration(statement)) {
      const bindings = statement.importClause?.namedBindings;
      return { from: specifier(statement), names: bindings ? taken(bindings) : [] };
    }
    if (ts.isExportDeclaration(statement) && statement.moduleSpecifier) {
      const clause = statement.exportClause;
      return { from: specifier(statement), names: clause ? taken(clause) : ['*'] };
    }
    return [];
  });
  return [...dynamic, ...named].flatMap(({ from, names }) =>
    names.map((name) => `${resolve(source.path, from)}#${name}`),
  );
}

function specifier(statement: ts.ImportDeclaration | ts.ExportDeclaration): string {
  return (statement.moduleSpecifier as ts.StringLiteral).text;
}

/** The names as the other file exports them, whatever they are called here. */
function taken(bindings: ts.NamedImportBindings | ts.NamedExportBindings): string[] {
  return ts.isNamedImports(bindings) || ts.isNamedExports(bindings)
    ? bindings.elements.map(({ propertyName, name }) => (propertyName ?? name).text)
    : ['*'];
}
