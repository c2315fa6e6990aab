"""What the description of each public data set says beside its counts."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """Title, contents, origin and licence of a data set."""

    title: str
    text: str
    origin: str
    licence: str


THIRDS = """
    The columns are centred. The rows, sorted by one feature, are cut into thirds, which are the
    tasks, and the feature is left out: related domains, one of which may be the target and the
    others its sources (Pardoe and Stone, Boosting for regression transfer, 2010).
"""

SCHOOL = Source(
    title="School: exam scores of pupils in inner London",
    text="""
    Exam scores of pupils of 139 secondary schools in the years 1985 to 1987; a school is a task.
    Year, gender, ability band of the pupil (vr_band), ethnic group, gender and denomination of the
    school are 0/1 columns; percent_free_meals and percent_vr_band_1 describe the school. ESWI
    means England, Scotland, Wales or Ireland. The constant column of the file is left out. The
    field splits holds the ten published pairs of training rows (75 %) and test rows; every school
    is in both.
    """,
    origin="""
    Inner London Education Authority; Goldstein, Multilevel modelling of survey data, The
    Statistician, 1991; splits of Argyriou, Evgeniou and Pontil, Convex multi-task feature
    learning, Machine Learning, 2008.
    """,
    licence="none stated.",
)

PARKINSONS = Source(
    title="Parkinson's telemonitoring: symptom scores from voice recordings",
    text="""
    Sixteen measures of voice recordings of 42 patients, the time of the recording (test_time, in
    days), age and sex; a patient is a task. The target is the motor or the total score on the
    UPDRS scale; the other score is left out. Age and sex are constant within a patient, so that
    only a model which shares can use them. Patients differ so much in level that one pooled model
    is far worse than one model per patient: a control for negative transfer.
    """,
    origin="""
    UCI repository, data set 189; Tsanas, Little, McSharry and Ramig, IEEE Transactions on
    Biomedical Engineering, 2010.
    """,
    licence="CC BY 4.0.",
)

MULAN = Source(
    title="Mulan multi-target regression",
    text="A collection of data sets with several numeric targets.",
    origin="""
    Mulan collection; Spyromitros-Xioufis, Tsoumakas, Groves and Vlahavas, Multi-target regression
    via input space expansion, Machine Learning, 2016.
    """,
    licence="none stated.",
)

SARCOS = Source(
    title="SARCOS: inverse dynamics of a robot arm",
    text="""
    Positions, velocities and accelerations of seven joints, and the torque of each joint: a torque
    is a task. These are the rows of the test file only. The rows follow one trajectory: split them
    into contiguous blocks, not at random.
    """,
    origin="""
    Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006,
    gaussianprocess.org/gpml/data.
    """,
    licence="none stated.",
)

WINE_QUALITY = Source(
    title="Wine quality: red and white",
    text="""
    Eleven physical and chemical measures of wines and the grade given by tasters (0 to 10); the
    colours are the tasks. Many rows occur more than once.
    """,
    origin="""
    UCI repository, data set 186; Cortez, Cerdeira, Almeida, Matos and Reis, Decision Support
    Systems, 2009.
    """,
    licence="CC BY 4.0.",
)

BIKE = Source(
    title="Bike sharing: rentals by the hour",
    text="""
    Number of bikes rented in each hour of 2011 and 2012, with calendar and weather (temperatures,
    humidity and wind are scaled). A column of the calendar is the task. The rows are in order of
    time: split them by time, not at random. Row number and date are left out, and so are the
    numbers of casual and registered users, whose sum is the target.
    """,
    origin="""
    UCI repository, data set 275; Fanaee-T and Gama, Progress in Artificial Intelligence, 2014.
    """,
    licence="CC BY 4.0.",
)

STUDENT = Source(
    title="Student performance: mathematics and Portuguese",
    text="""
    Final grade (G3, 0 to 20) of pupils of two Portuguese schools in two subjects, which are the
    tasks, with answers on family, school and leisure. G1 and G2 are the grades of the two earlier
    periods. Some pupils are in both tasks; the files do not identify them.
    """,
    origin="""
    UCI repository, data set 320; Cortez and Silva, Using data mining to predict secondary school
    student performance, 2008.
    """,
    licence="CC BY 4.0.",
)

CONCRETE = Source(
    title="Concrete: compressive strength",
    text="Strength of concrete from its age and composition." + THIRDS,
    origin="UCI repository, data set 165; Yeh, Cement and Concrete Research, 1998.",
    licence="CC BY 4.0.",
)

AUTO_MPG = Source(
    title="Auto MPG: fuel consumption of cars",
    text="Miles per gallon of cars from their build."
    + THIRDS
    + "With tasks='origin' the tasks are the regions where the cars were made.",
    origin="""
    UCI repository, data set 9; Quinlan, Combining instance-based and model-based learning, 1993.
    """,
    licence="CC BY 4.0.",
)

NEWSGROUPS = Source(
    title="Newsgroups: pairs of text classification tasks",
    text="""
    Word counts of messages on two subjects of the 20 Newsgroups, in two tasks which separate the
    same two subjects. The target is 0 and 1 for the labels 1 and 2 of the files, which name
    neither the labels nor the words.
    """,
    origin="20 Newsgroups, as prepared for MALSAR (Zhou, Chen and Ye, 2011).",
    licence="none stated.",
)

DIGITS = Source(
    title="Digits: ten one-versus-rest tasks",
    text="""
    Images of handwritten digits, 8 x 8 pixels from 0 to 16. Task d tells the digit d (target 1)
    from the others (target 0). Every image belongs to exactly one task: of the images of a digit,
    in the order of the file, each third one is dealt to the task of that digit and the others to
    the nine other tasks in turn. So a task has about 60 images of its own digit and 13 of each
    other.
    """,
    origin="UCI repository, data set 80; Alpaydin and Kaynak, 1998.",
    licence="as distributed with scikit-learn.",
)

IRIS_AND_CANCER = Source(
    title="Iris and breast cancer: two tasks with nothing in common",
    text="""
    The iris data (4 features, 3 species) and the Wisconsin breast cancer data (30 features,
    malignant or benign), stacked. The features that a task does not have are NaN in all its rows,
    and the labels of the tasks differ: a test of what a method does with tasks it should not
    share.
    """,
    origin="""
    UCI repository, data sets 53 (Fisher, 1936) and 17 (Street, Wolberg and Mangasarian, 1993).
    """,
    licence="as distributed with scikit-learn.",
)

DIABETES = Source(
    title="Diabetes: progression by sex and age",
    text="""
    Progression of diabetes in 442 patients one year after the baseline, from age, body mass index,
    blood pressure and six measures of blood serum, in their own units. A task is one of the two
    sexes, coded 1 and 2 (the source does not say which is which), in an age band. Sex is constant
    within a task and therefore left out; age varies within a band and is kept.
    """,
    origin="""
    Efron, Hastie, Johnstone and Tibshirani, Least angle regression, Annals of Statistics, 2004.
    """,
    licence="as distributed with scikit-learn.",
)
