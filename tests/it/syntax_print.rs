//! Printing: what is printed parses to the same tree, and printing it again changes nothing.

use std::path::Path;

use ftc::source::{SourceMap, Span};
use ftc::syntax::ast::*;
use ftc::syntax::{parser, print};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// A tree without its places, as text.
fn shape(file: &File) -> String {
    let text = format!("{:?} {:?}", file.docs, file.items);
    let mut out = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find("Span {") {
        out.push_str(&rest[..at]);
        rest = rest[at..].split_once('}').expect("a span is closed").1;
    }
    out + rest
}

fn parse(text: &str) -> File {
    let mut sources = SourceMap::new();
    let file = sources.add("test.ft", text);
    let (tree, diagnostics) = parser::parse(file, text);
    assert!(diagnostics.is_empty(), "{diagnostics:#?}\n{text}");
    tree
}

/// Prints a text, and holds the result against the properties of printing.
fn check(text: &str) -> String {
    let tree = parse(text);
    let printed = print::print(&tree, text);
    let again = parse(&printed);
    assert_eq!(shape(&tree), shape(&again), "{text}\n---\n{printed}");
    assert_eq!(printed, print::print(&again, &printed), "not stable:\n{text}\n---\n{printed}");
    let comments = |tree: &File| tree.comments.iter().map(|comment| comment.text.clone()).collect::<Vec<_>>();
    assert_eq!(comments(&tree), comments(&again), "{text}\n---\n{printed}");
    printed
}

#[test]
fn files_of_the_project_are_in_the_canonical_layout() {
    let check = |path: &Path| {
        let text = std::fs::read_to_string(path).expect("a file of the project is UTF-8");
        assert!(check(&text) == text, "{} is not as `ftc fmt` prints it", path.display());
    };
    insta::glob!("../..", "stdlib/**/*.ft", check);
    insta::glob!("../..", "examples/**/*.ft", check);
}

#[test]
fn layout() {
    insta::glob!("../fmt", "*.ft", |path| {
        let text = std::fs::read_to_string(path).expect("a case is UTF-8");
        let settings = crate::front::beside(path);
        let stem = path.file_stem().expect("a case has a name").to_string_lossy().into_owned();
        settings.bind(|| insta::assert_snapshot!(stem, check(&text)));
    });
}

fn span() -> Span {
    Span::new(SourceMap::id(0), 0, 0)
}

fn ident() -> impl Strategy<Value = Ident> + Clone {
    let names = [
        "a",
        "b",
        "x",
        "y",
        "of",
        "when",
        "sum",
        "exp",
        "f32",
        "int",
        "N",
        "K2",
        "_s",
        "a_rather_long_name_of_something",
    ];
    prop::sample::select(names.to_vec()).prop_map(|name| Ident { name: name.to_owned(), span: span() })
}

fn expr() -> impl Strategy<Value = Expr> + Clone {
    let leaf = prop_oneof![
        (0..=i64::MAX).prop_map(ExprKind::Int),
        (0i64..20).prop_map(ExprKind::Int),
        any::<f64>()
            .prop_filter("as written", |value| value.is_finite() && !value.is_sign_negative())
            .prop_map(ExprKind::Float),
        any::<bool>().prop_map(ExprKind::Bool),
        ident().prop_map(|name| ExprKind::Name(name.name)),
        ident().prop_map(|name| ExprKind::Name(name.name)),
    ];
    let leaf = leaf.prop_map(|kind| Expr { kind, span: span() });
    leaf.prop_recursive(6, 60, 4, |inner| compound(&inner.boxed()).prop_map(|kind| Expr { kind, span: span() }))
}

fn compound(inner: &BoxedStrategy<Expr>) -> impl Strategy<Value = ExprKind> + use<> {
    use BinaryOp as Op;
    let ops =
        [Op::Add, Op::Sub, Op::Mul, Op::Div, Op::Mod, Op::Eq, Op::Ne, Op::Lt, Op::Le, Op::Gt, Op::Ge, Op::And, Op::Or];
    let boxed = || inner.clone().prop_map(Box::new);
    let subscript = prop_oneof![inner.clone().prop_map(Subscript::At), ident().prop_map(Subscript::Spread)];
    let reduce = prop_oneof![
        (ident(), option::of(inner.clone())).prop_map(|(name, range)| ReduceIndex::One { name, range }),
        ident().prop_map(ReduceIndex::Spread),
    ];
    let arg = (option::of(ident()), inner.clone()).prop_map(|(name, value)| Arg { name, value });
    let local = (ident(), inner.clone()).prop_map(|(name, value)| LocalLet { name, value });
    prop_oneof![
        (prop::sample::select(vec![UnaryOp::Neg, UnaryOp::Not]), boxed()).prop_map(|(op, a)| ExprKind::Unary(op, a)),
        (prop::sample::select(ops.to_vec()), boxed(), boxed()).prop_map(|(op, a, b)| ExprKind::Binary(op, a, b)),
        (boxed(), boxed(), boxed()).prop_map(|(cond, then, otherwise)| ExprKind::If { cond, then, otherwise }),
        (vec(local, 1..3), boxed()).prop_map(|(lets, result)| ExprKind::Block { lets, result }),
        (ident(), vec(subscript, 0..4), option::of(boxed())).prop_map(|(tensor, at, otherwise)| ExprKind::Read {
            tensor,
            at,
            otherwise
        }),
        (ident(), vec(reduce, 0..4), boxed()).prop_map(|(op, indices, body)| ExprKind::Reduce { op, indices, body }),
        (ident(), vec(arg, 0..4)).prop_map(|(callee, args)| ExprKind::Call { callee, args }),
        (vec(ident(), 0..3), boxed()).prop_map(|(params, body)| ExprKind::Lambda { params, body }),
        vec(inner.clone(), 0..4).prop_map(ExprKind::Array),
    ]
}

fn ty() -> impl Strategy<Value = Type> {
    let dim = prop_oneof![expr().prop_map(Dim::Size), ident().prop_map(Dim::Spread)];
    (ident(), option::of(vec(dim, 0..3))).prop_map(|(elem, dims)| Type { elem, dims, span: span() })
}

fn stmt() -> impl Strategy<Value = Stmt> {
    let index = prop_oneof![
        (expr(), option::of(expr())).prop_map(|(expr, range)| Index::At { expr, range }),
        ident().prop_map(Index::Spread),
    ];
    let element = (any::<bool>(), ident(), vec(index, 0..3), expr())
        .prop_map(|(is_let, target, indices, value)| StmtKind::Element { is_let, target, indices, value });
    let one = (any::<bool>(), ident(), expr()).prop_map(|(is_let, target, value)| StmtKind::Whole {
        is_let,
        targets: vec![target],
        value,
    });
    let several =
        (vec(ident(), 2..4), expr()).prop_map(|(targets, value)| StmtKind::Whole { is_let: true, targets, value });
    prop_oneof![element, one, several].prop_map(|kind| Stmt { kind, span: span() })
}

fn docs() -> impl Strategy<Value = Vec<String>> {
    vec(prop::sample::select(vec!["A line.", "", "  two blanks", "/ slash", "//", "!"]).prop_map(str::to_owned), 0..3)
}

fn function() -> impl Strategy<Value = Item> {
    let attr = (ident(), vec((ident(), field()), 0..3)).prop_map(|(name, args)| Attr { name, args, span: span() });
    let generic = (ident(), ident()).prop_map(|(name, bound)| Generic { name, bound });
    let param = (ident(), any::<bool>(), ty(), option::of(expr())).prop_map(|(name, is_const, ty, default)| Param {
        name,
        is_const,
        ty,
        default,
    });
    let output = (ident(), ty()).prop_map(|(name, ty)| Output { name, ty });
    let clause = prop_oneof![
        (ident(), expr()).prop_map(|(name, value)| Clause::Define { name, value }),
        expr().prop_map(Clause::Require),
    ];
    let head = (docs(), vec(attr, 0..2), any::<bool>(), ident(), vec(generic, 0..2));
    let rest = (vec(param, 0..4), vec(output, 0..3), vec(clause, 0..3), vec(stmt(), 0..4));
    (head, rest).prop_map(|((docs, attrs, is_pub, name, generics), (params, outputs, clauses, body))| {
        let span = span();
        Item::Function(Function { docs, attrs, is_pub, name, generics, params, outputs, clauses, body, span })
    })
}

fn field() -> impl Strategy<Value = Expr> {
    let range = (expr(), expr())
        .prop_map(|(low, high)| Expr { kind: ExprKind::Range(Box::new(low), Box::new(high)), span: span() });
    prop_oneof![expr(), range]
}

fn item() -> impl Strategy<Value = Item> {
    let name = (ident(), option::of(ident())).prop_map(|(name, alias)| UseName { name, alias });
    let list = (vec(ident(), 1..3), vec(name.clone(), 0..4)).prop_map(|(path, names)| Use {
        path,
        names,
        braces: Braces::Present,
        span: span(),
    });
    let single = (vec(ident(), 1..3), name).prop_map(|(path, name)| Use {
        path,
        names: vec![name],
        braces: Braces::Absent,
        span: span(),
    });
    let constant = (docs(), ident(), expr())
        .prop_map(|(docs, name, value)| Item::Const(ConstItem { docs, name, value, span: span() }));
    let variant = (docs(), ident(), ident(), option::of(expr()), vec(stmt(), 0..3)).prop_map(
        |(docs, name, function, when, body)| {
            let attrs = Vec::new();
            Item::Variant(Variant { docs, attrs, name, function, when, body, span: span() })
        },
    );
    let arg = prop_oneof![
        (ident(), any::<bool>(), ty()).prop_map(|(name, is_const, ty)| ExportArg::Tensor { name, is_const, ty }),
        (ident(), expr()).prop_map(|(name, value)| ExportArg::Value { name, value }),
    ];
    let export = (docs(), option::of(ident()), ident(), vec(arg, 0..4))
        .prop_map(|(docs, name, function, args)| Item::Export(Export { docs, name, function, args, span: span() }));
    prop_oneof![
        list.prop_map(Item::Use),
        single.prop_map(Item::Use),
        constant,
        variant,
        export,
        schedule(),
        function(),
        function(),
    ]
}

/// The name of an axis, a tensor or a target in a schedule.
fn axis() -> impl Strategy<Value = Ident> + Clone {
    let names =
        ["i", "i.0", "k.1.init", "y.n", "i.0.10", "j.1e5", "a.0x_b", "C", "split", "by", "at", "for", "of", "tail.0"];
    prop::sample::select(names.to_vec()).prop_map(|name| Ident { name: name.to_owned(), span: span() })
}

fn one_of(words: &'static [&'static str]) -> impl Strategy<Value = Option<Ident>> {
    option::of(prop::sample::select(words).prop_map(|word| Ident { name: word.to_owned(), span: span() }))
}

fn step() -> impl Strategy<Value = Step> {
    let part = option::of(0..=i64::MAX).prop_map(|extent| Part { extent, span: span() });
    let split = (axis(), vec(part, 1..4), one_of(&["peel", "guard", "overlap", "pad"]))
        .prop_map(|(axis, parts, tail)| StepKind::Split { axis, parts, tail });
    let scope = one_of(&["global", "stack", "register", "shared"]);
    let place = prop_oneof![axis().prop_map(Place::Inside), axis().prop_map(Place::Before)];
    let phases = vec((axis(), 0..=i64::MAX), 1..4).prop_map(|axes| {
        let count = |extent| Part { extent: Some(extent), span: span() };
        let (axes, counts): (_, Vec<_>) = axes.into_iter().unzip();
        StepKind::Phases { axes, counts: counts.into_iter().map(count).collect() }
    });
    let stage = (axis(), option::of(place), option::of(vec(axis(), 0..4)), scope)
        .prop_map(|(operand, place, layout, scope)| StepKind::Stage { operand, place, layout, scope });
    let coordinate = prop::sample::select(vec!["grid.x", "grid.y", "grid.z", "block.x", "block.y", "block.z"])
        .prop_map(|word| Ident { name: word.to_owned(), span: span() });
    let kind = prop_oneof![
        split,
        phases,
        stage,
        (vec(axis(), 2..4), axis()).prop_map(|(axes, name)| StepKind::Fuse { axes, name }),
        vec(axis(), 1..9).prop_map(StepKind::Reorder),
        axis().prop_map(StepKind::Parallel),
        axis().prop_map(StepKind::Vectorize),
        vec(axis(), 1..4).prop_map(StepKind::Unroll),
        (axis(), coordinate).prop_map(|(axis, to)| StepKind::Bind { axis, to }),
        axis().prop_map(StepKind::Accumulate),
        (axis(), option::of(0..=i64::MAX)).prop_map(|(axis, extent)| {
            let stages = extent.map(|extent| Part { extent: Some(extent), span: span() });
            StepKind::Pipeline { axis, stages }
        }),
        ([axis(), axis(), axis()], one_of(&["tf32"])).prop_map(|(axes, numbers)| StepKind::Tensorize { axes, numbers }),
        axis().prop_map(StepKind::Rfactor),
        axis().prop_map(StepKind::Inline),
        (axis(), axis()).prop_map(|(tensor, at)| StepKind::Compute { tensor, at }),
        (axis(), vec(axis(), 0..4)).prop_map(|(operand, layout)| StepKind::Store { operand, layout }),
    ];
    kind.prop_map(|kind| Step { kind, span: span() })
}

fn schedule() -> impl Strategy<Value = Item> {
    let targets = one_of(&["x86", "native", "x86-64-v4", "cuda:sm_90", "for"]);
    (docs(), ident(), option::of(ident()), targets, vec(step(), 0..6)).prop_map(
        |(docs, function, variant, target, steps)| {
            Item::Schedule(Schedule { docs, function, variant, target, steps, span: span() })
        },
    )
}

fn file() -> impl Strategy<Value = File> {
    (docs(), vec(item(), 0..4)).prop_map(|(docs, items)| File { docs, items, comments: Vec::new() })
}

/// A comment at a blank: what stands before it, the comment, and what follows it.
fn comment() -> impl Strategy<Value = (usize, &'static str, &'static str, &'static str)> {
    let gap = || prop::sample::select(vec![" ", "\n", "\n\n", "\t\n \n"]);
    let text = vec!["// said", "//", "//close", "//// four", "////", "/// doc", "///", "//// / /", "// // twice  "];
    (any::<usize>(), gap(), prop::sample::select(text), prop::sample::select(vec!["\n", "\n\n", "\r\n"]))
}

/// Puts comments at some of the blanks of a text, between the lines of its documentation too, but not in them.
fn with_comments(text: &str, comments: &[(usize, &str, &str, &str)]) -> String {
    let in_doc = |at: usize| {
        let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
        text[line..at].trim_start().starts_with("//") && text.as_bytes()[at] != b'\n'
    };
    // A line end in a step of a schedule would end it.
    let in_step = |at: usize| {
        let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
        let item = text[..line].rfind("\nschedule ").max(text.starts_with("schedule ").then_some(0));
        let open = item.is_some_and(|item| !text[item..line].contains("\n}"));
        open && text[line..].starts_with(' ') && !text[line..at].trim().is_empty() && text.as_bytes()[at] == b' '
    };
    let mut out = text.to_owned();
    let blanks: Vec<usize> =
        text.match_indices([' ', '\n']).map(|(at, _)| at).filter(|&at| !in_doc(at) && !in_step(at)).collect();
    let mut chosen: Vec<_> = comments
        .iter()
        .filter_map(|&(place, before, comment, after)| {
            Some((*blanks.get(place % blanks.len().max(1))?, before, comment, after))
        })
        .collect();
    chosen.sort_unstable();
    chosen.dedup_by_key(|(at, ..)| *at);
    for (at, before, comment, after) in chosen.into_iter().rev() {
        let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
        match text[line..at].trim_start().as_bytes() {
            // Between the lines about the file, only remarks may stand.
            [b'/', b'/', b'!', ..] => out.insert_str(at, "\n// between"),
            // A `///` line would be part of the documentation.
            [b'/', b'/', ..] if !matches!(comment, "///" | "/// doc") => out.insert_str(at, &format!("\n{comment}")),
            [b'/', b'/', ..] => {}
            _ => out.replace_range(at..=at, &format!("{before}{comment}{after}")),
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_printed_parses_to_the_same(tree in file()) {
        let printed = print::print(&tree, "");
        let again = parse(&printed);
        prop_assert_eq!(shape(&tree), shape(&again), "{}", printed);
        prop_assert_eq!(&printed, &print::print(&again, &printed));
    }

    #[test]
    fn comments_keep_their_places(tree in file(), comments in vec(comment(), 1..8)) {
        check(&with_comments(&print::print(&tree, ""), &comments));
    }

    #[test]
    fn quotes_are_one_line(value in expr()) {
        let quote = print::print_expr(&value);
        prop_assert!(!quote.contains('\n'));
        let text = format!("const a = {quote}");
        let Some(Item::Const(item)) = parse(&text).items.pop() else { panic!("one item") };
        prop_assert_eq!(print::print_expr(&item.value), quote);
    }
}
